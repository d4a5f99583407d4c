package containers

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
)

// found is what becomes of a service of a Compose file.
type found struct {
	*Service
	config *moby.Config
	host   *moby.HostConfig
}

// filesAsFound are Compose files in the forms that repositories have them in, with what stands beside them, and what each must come to.
var filesAsFound = map[string]struct {
	text   string
	beside map[string]string
	config Compose
	check  func(t *testing.T, of map[string]found)
}{
	"health checks": {
		text: `
services:
  shell: {image: a, healthcheck: {test: "curl -f http://localhost || exit 1", interval: 1m30s, timeout: 10s, start_period: 40s, start_interval: 5s}}
  list: {image: a, healthcheck: {test: ["CMD-SHELL", "pg_isready -U $$USER"]}}
  none: {image: a, healthcheck: {test: ["NONE"]}}
  off: {image: a, healthcheck: {disable: true}}
`,
		check: func(t *testing.T, of map[string]found) {
			h := of["shell"].config.Healthcheck
			same(t, "shell", h.Test, []string{"CMD-SHELL", "curl -f http://localhost || exit 1"})
			if h.Interval != 90*time.Second || h.StartInterval != 5*time.Second || !of["shell"].Health {
				t.Errorf("%+v", h)
			}
			same(t, "list", of["list"].config.Healthcheck.Test, []string{"CMD-SHELL", "pg_isready -U $USER"})
			for _, n := range []string{"none", "off"} {
				if of[n].Health || checked(of[n].config.Healthcheck) {
					t.Errorf("%s has a health check: %+v", n, of[n].config.Healthcheck)
				}
			}
		},
	},
	"files of variables": {
		text: `
services:
  one: {image: a, env_file: one.env}
  list: {image: a, env_file: [one.env, {path: two.env}, {path: absent.env, required: false}], environment: [OWN=1, "PASSED"]}
`,
		beside: map[string]string{"one.env": "A=1\n# no\nexport B='two words'\n", "two.env": "A=2\nC=${A}3\n"},
		check: func(t *testing.T, of map[string]found) {
			for n, want := range map[string]map[string]string{"one": {"A": "1", "B": "two words"}, "list": {"A": "2", "OWN": "1"}} {
				for key, value := range want {
					if of[n].Env[key] != value {
						t.Errorf("%s: %s is %q, want %q", n, key, of[n].Env[key], value)
					}
				}
			}
		},
	},
	"profiles": {
		text:   "services: {a: {image: a}, debug: {image: b, profiles: [debug]}, full: {image: c, profiles: [full, debug]}}",
		config: Compose{Profiles: []string{"full"}},
		check: func(t *testing.T, of map[string]found) {
			if of["a"].Service == nil || of["full"].Service == nil || of["debug"].Service != nil {
				t.Errorf("%v", of)
			}
		},
	},
	"extends and anchors": {
		text: `
x-defaults: &defaults
  restart: unless-stopped
  environment: &env {LEVEL: info, ZONE: eu}
services:
  base: {image: base:1, environment: {A: "1"}, command: serve --port 80}
  own: {extends: {service: base}, environment: {B: "2"}}
  other: {extends: {file: common.yaml, service: worker}, command: [work, "--fast"]}
  anchored: {<<: *defaults, image: x, environment: {<<: *env, ZONE: us}}
`,
		beside: map[string]string{"common.yaml": "services: {worker: {image: worker:2, cap_add: [NET_ADMIN], init: true}}\n"},
		check: func(t *testing.T, of map[string]found) {
			own := of["own"]
			if own.Image != "base:1" || own.Env["A"] != "1" || own.Env["B"] != "2" {
				t.Errorf("%+v", own.Service)
			}
			same(t, "command of own", own.Command, []string{"serve", "--port", "80"})
			other := of["other"]
			if other.Image != "worker:2" || !slices.Equal(other.host.CapAdd, []string{"NET_ADMIN"}) && !slices.Equal(other.host.CapAdd, []string{"CAP_NET_ADMIN"}) || other.host.Init == nil || !*other.host.Init {
				t.Errorf("%+v, %v, %v", other.Service, other.host.CapAdd, other.host.Init)
			}
			if of["anchored"].Env["ZONE"] != "us" || of["anchored"].Env["LEVEL"] != "info" || of["anchored"].host.RestartPolicy.Name != "unless-stopped" {
				t.Errorf("%+v", of["anchored"].Service)
			}
		},
	},
	"include": {
		text:   "include: [parts/db.yaml]\nservices: {a: {image: a, depends_on: [db]}}",
		beside: map[string]string{"parts/db.yaml": "services: {db: {image: db:1, volumes: [\"./init:/init:ro\"]}}\n"},
		check: func(t *testing.T, of map[string]found) {
			if of["db"].Image != "db:1" || !strings.HasSuffix(of["db"].host.Mounts[0].Source, "/parts/init") {
				t.Errorf("%+v", of["db"])
			}
			if len(of["a"].Needs) != 1 || of["a"].Needs[0].Name != "db" {
				t.Errorf("%+v", of["a"].Needs)
			}
		},
	},
	"secrets and configs": {
		text: `
services:
  a: {image: a, secrets: [plain, {source: plain, target: other, mode: 0400}, from-env], configs: [{source: conf, target: /etc/a.conf}, text]}
secrets: {plain: {file: ./plain.txt}, from-env: {environment: WRINGER_TEST_SECRET}}
configs: {conf: {file: ./a.conf}, text: {content: "b=${WRINGER_TEST_SECRET}"}}
`,
		beside: map[string]string{"plain.txt": "p", "a.conf": "c"},
		check: func(t *testing.T, of map[string]found) {
			texts := make(map[string]string)
			for _, f := range of["a"].Files {
				switch {
				case f.Text != nil:
					raw, _ := io.ReadAll(f.Text)
					texts[f.Path] = string(raw)
				default:
					texts[f.Path] = filepath.Base(f.Source)
				}
				if f.Path == "/run/secrets/other" && f.Mode != 0o400 {
					t.Errorf("mode %o", f.Mode)
				}
			}
			for path, want := range map[string]string{
				"/run/secrets/plain": "plain.txt", "/run/secrets/other": "plain.txt", "/run/secrets/from-env": "hidden", "/etc/a.conf": "a.conf", "/text": "b=hidden",
			} {
				if texts[path] != want {
					t.Errorf("%s holds %q, want %q", path, texts[path], want)
				}
			}
		},
	},
	"resources": {
		text: `
services:
  deploy:
    image: a
    deploy: {mode: replicated, replicas: 2, resources: {limits: {cpus: "0.50", memory: 50M, pids: 10}, reservations: {memory: 20M}}, restart_policy: {condition: on-failure, max_attempts: 3}, placement: {constraints: [node.role == worker]}}
  plain: {image: a, cpus: 1.5, mem_limit: 1g, memswap_limit: 2g, pids_limit: 99, shm_size: 64m, oom_score_adj: 500, ulimits: {nproc: 65535, nofile: {soft: 20000, hard: 40000}}, sysctls: {net.core.somaxconn: 1024}}
`,
		check: func(t *testing.T, of map[string]found) {
			d, p := of["deploy-1"].host, of["plain"].host
			if d.NanoCPUs != 5e8 || d.Memory != 50<<20 || *d.PidsLimit != 10 || d.MemoryReservation != 20<<20 || d.RestartPolicy.MaximumRetryCount != 3 {
				t.Errorf("%+v", d)
			}
			if p.NanoCPUs != 15e8 || p.Memory != 1<<30 || p.MemorySwap != 2<<30 || *p.PidsLimit != 99 || p.ShmSize != 64<<20 || len(p.Ulimits) != 2 || p.Sysctls["net.core.somaxconn"] != "1024" {
				t.Errorf("%+v", p)
			}
		},
	},
	"commands": {
		text: `
services:
  text: {image: a, command: sh -c "echo 'one two'", entrypoint: /entry --flag}
  list: {image: a, command: ["sh", "-c", "echo $$HOME"], entrypoint: ["/entry"], user: "1000:1000", working_dir: /srv, tty: true, stdin_open: true, stop_signal: SIGINT, stop_grace_period: 1m}
`,
		check: func(t *testing.T, of map[string]found) {
			same(t, "text", of["text"].Command, []string{"sh", "-c", "echo 'one two'"})
			same(t, "entrypoint", of["text"].Entrypoint, []string{"/entry", "--flag"})
			same(t, "list", of["list"].Command, []string{"sh", "-c", "echo $HOME"})
			l := of["list"]
			if l.config.User != "1000:1000" || l.config.WorkingDir != "/srv" || !l.config.Tty || l.config.StopSignal != "SIGINT" || l.Grace != time.Minute {
				t.Errorf("%+v %+v", l.config, l.Service)
			}
		},
	},
	"volumes": {
		text: `
services:
  a:
    image: a
    tmpfs: [/run, "/tmp:size=64m,mode=1777"]
    volumes:
      - named:/var/lib/data
      - ./conf:/etc/conf:ro
      - /anonymous
      - {type: bind, source: ./src, target: /src, read_only: true, bind: {create_host_path: false}}
      - {type: volume, source: named, target: /two, volume: {nocopy: true}}
      - {type: tmpfs, target: /cache, tmpfs: {size: 10485760}}
volumes: {named: {driver: local, labels: {a: b}}}
`,
		check: func(t *testing.T, of map[string]found) {
			h := of["a"].host
			if _, ok := h.Tmpfs["/run"]; !ok || h.Tmpfs["/tmp"] != "size=64m,mode=1777" || len(h.Mounts) != 6 {
				t.Errorf("%+v %+v", h.Tmpfs, h.Mounts)
				return
			}
			by := make(map[string]string)
			for _, m := range h.Mounts {
				by[m.Target] = string(m.Type) + " " + filepath.Base(m.Source)
			}
			for target, want := range map[string]string{"/var/lib/data": "volume run-named", "/two": "volume run-named", "/etc/conf": "bind conf", "/src": "bind src", "/anonymous": "volume .", "/cache": "tmpfs ."} {
				if by[target] != want {
					t.Errorf("%s is %q, want %q", target, by[target], want)
				}
			}
		},
	},
	"ports and names": {
		text: `
services:
  a:
    image: a
    ports: ["8080", "127.0.0.1:9000-9002:9000-9002", {target: 80, published: "80", protocol: tcp, mode: host}]
    expose: ["3000-3001", 5000]
    networks: {back: {aliases: [api, api.internal]}}
    extra_hosts: ["host.docker.internal:host-gateway", "db.local=10.0.0.5"]
    dns: 8.8.8.8
    hostname: a-host
    labels: ["traefik.enable=true"]
    logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}
networks: {back: {driver: bridge, ipam: {config: [{subnet: 172.28.0.0/16, ip_range: 172.28.5.0/24}]}}}
`,
		check: func(t *testing.T, of map[string]found) {
			a := of["a"]
			for _, port := range []uint16{8080, 9000, 9001, 9002, 80, 3000, 3001, 5000} {
				if !slices.Contains(a.Ports, port) {
					t.Errorf("port %d is not among %v", port, a.Ports)
				}
			}
			same(t, "names", a.Networks["run-back"], []string{"a", "api", "api.internal"})
			same(t, "hosts", slices.Sorted(slices.Values(a.host.ExtraHosts)), []string{"db.local:10.0.0.5", "host.docker.internal:host-gateway"})
			if a.config.Hostname != "a-host" || len(a.host.DNS) != 1 || a.host.LogConfig.Config["max-size"] != "10m" || a.config.Labels["traefik.enable"] != "true" {
				t.Errorf("%+v %+v", a.config, a.host)
			}
		},
	},
	"order of the start": {
		text: `
services:
  web: {image: a, depends_on: {migrate: {condition: service_completed_successfully}, db: {condition: service_healthy, restart: true}, mail: {condition: service_started, required: false}}}
  migrate: {image: m, depends_on: [db]}
  db: {image: d, healthcheck: {test: [CMD, pg_isready]}}
  mail: {image: x, profiles: [mail]}
  old: {image: o, links: [db]}
`,
		check: func(t *testing.T, of map[string]found) {
			for _, need := range []Need{{Name: "migrate"}, {Name: "db"}} {
				if !slices.Contains(of["web"].Needs, need) {
					t.Errorf("web needs %v, want %v", of["web"].Needs, need)
				}
			}
			if len(of["web"].Needs) != 2 || !of["migrate"].Once || len(of["old"].Needs) != 1 {
				t.Errorf("%+v, %+v, %+v", of["web"].Needs, of["migrate"], of["old"].Needs)
			}
		},
	},
	"builds": {
		text: `
services:
  short: {build: .}
  long: {image: shop/api:dev, build: {context: ./api, dockerfile: Dockerfile.dev, target: runtime, args: {VERSION: "1.2", FROM_SHELL: }, tags: ["shop/api:latest"], labels: {a: b}, cache_from: [shop/api]}}
  list: {build: {context: ./api, args: ["VERSION=3"]}}
`,
		beside: map[string]string{"Dockerfile": "FROM scratch\n", "api/Dockerfile": "FROM scratch\n", "api/Dockerfile.dev": "FROM scratch AS runtime\n"},
		check: func(t *testing.T, of map[string]found) {
			b := of["long"].Build
			if filepath.Base(b.Context) != "api" || b.Dockerfile != "Dockerfile.dev" || b.Stage != "runtime" || *b.Args["VERSION"] != "1.2" {
				t.Errorf("%+v", b)
			}
			if *of["list"].Build.Args["VERSION"] != "3" || of["short"].Build.Context == "" {
				t.Errorf("%+v, %+v", of["list"].Build, of["short"].Build)
			}
		},
	},
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// Compose files as repositories have them are read without a problem, and come to what they say.
func TestComposeFilesAsFound(t *testing.T) {
	t.Setenv("WRINGER_TEST_SECRET", "hidden")
	for name, f := range filesAsFound {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, text string) {
				path := filepath.Join(dir, name)
				err := os.MkdirAll(filepath.Dir(path), 0o755)
				if err == nil {
					err = os.WriteFile(path, []byte(text), 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			write("compose.yaml", f.text)
			for name, text := range f.beside {
				write(name, text)
			}
			c := f.config
			c.File = "compose.yaml"
			c.Locate(dir, os.Environ())
			if all := problems(&c); len(all) > 0 {
				t.Fatalf("%q", all)
			}
			networks := map[string]string{"default": "run", "back": "run-back"}
			all, err := c.services(&prepared{network: "run", run: "r"}, networks)
			if err != nil {
				t.Fatal(err)
			}
			of := make(map[string]found)
			for i := range all {
				one := found{&all[i], &moby.Config{Labels: make(map[string]string)}, new(moby.HostConfig)}
				one.Change(one.config, one.host)
				of[one.Name] = one
			}
			f.check(t, of)
		})
	}
}

// What is not done is told, key by key, and never left out in silence.
func TestComposeKeysThatAreNotDone(t *testing.T) {
	for text, want := range map[string]string{
		"logging: {driver: fluentd}": "driver fluentd keeps its output",
		"log_driver: syslog":         "services.a.log_driver",
		"expose: [http]":             "is no port",
		"deploy: {mode: global}":     "mode global is not supported",
		"deploy: {resources: {reservations: {devices: [{capabilities: [gpu], driver: nvidia, count: 1}]}}}": "reservations of devices",
		"annotations: {a: b}":                                                          "annotations",
		"pid: \"service:b\"":                                                           "pid: service:b",
		"ipc: \"container:b\"":                                                         "ipc: container:b",
		"security_opt: [\"seccomp:profile.json\"]":                                     "profile of seccomp",
		"secrets: [{source: s, uid: \"1000\"}]":                                        "uid and gid",
		"networks: {default: {mac_address: \"02:42:ac:11:65:43\"}}":                    "mac_address",
		"networks: {default: {priority: 100}}":                                         "priority",
		"volumes: [{type: bind, source: /a, target: /a, bind: {recursive: disabled}}]": "recursive",
		"build: {context: ., no_cache_filter: [a]}":                                    "no_cache_filter needs BuildKit",
	} {
		c := composed(t, "services:\n  a:\n    image: a:1\n    "+text+"\n  b: {image: b}\nsecrets: {s: {file: ./s}}\n", Compose{})
		all := problems(c)
		if !slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("%s: %q; want %q", text, all, want)
		}
	}
	for text, want := range map[string]string{
		"secrets: {s: {external: true}}":                                                             "secret s: is kept",
		"configs: {s: {template_driver: golang, file: ./s}}":                                         "config s: is kept or filled in",
		"networks: {n: {enable_ipv4: false}}":                                                        "network n: enable_ipv4",
		"networks: {n: {ipam: {config: [{subnet: 172.28.0.0/16, aux_addresses: {h: 172.28.1.5}}]}}}": "aux_addresses",
	} {
		key, named, _ := strings.Cut(text, ": {")
		c := composed(t, "services: {a: {image: a:1, "+key+": ["+named[:1]+"]}}\n"+text+"\n", Compose{})
		if all := problems(c); !slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("%s: %q; want %q", text, all, want)
		}
	}
}
