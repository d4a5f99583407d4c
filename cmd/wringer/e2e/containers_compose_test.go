package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"wringer/faults/container"
	"wringer/reports"
	"wringer/scenarios/containers/imagetest"
)

// fiveServices is a Compose file as a repository has it: fixed ports and names, a .env file, conditions, a profile, volumes and
// networks.
const fiveServices = `# docker compose up
x-tool: &tool
  image: ${TOOL_REF:?name the image}
  healthcheck: {test: [CMD, /tool, get, "http://127.0.0.1:8080/healthz"], interval: 1s, timeout: 5s, retries: 60}
services:
  WEB:
    <<: *tool
    container_name: shop-orders
    ports: ["18080:8080"]
    environment: {STOCK: "http://shop-stock:8080", TOKEN: "${TOKEN:-none}"}
    depends_on:
      stock: {condition: service_healthy}
      seed: {condition: service_completed_successfully}
  stock:
    <<: *tool
    container_name: shop-stock
    expose: ["8080"]
    networks: {back: {aliases: [inventory]}, default: {}}
    volumes: ["data:/data"]
    restart: unless-stopped
    mem_limit: 100m
  billing:
    <<: *tool
    expose: ["8080"]
    deploy: {replicas: 2}
    depends_on: [stock]
  audit:
    <<: *tool
    profiles: [full]
    network_mode: "service:stock"
    environment: {TOOL_LISTEN: ":9080", TOOL_ECHO: ":9081"}
    healthcheck: {test: [CMD, /tool, get, "http://127.0.0.1:9080/healthz"], interval: 1s, timeout: 5s, retries: 60}
  seed:
    image: ${TOOL_REF}
    command: [exit, "0", seeded]
    volumes: ["data:/data"]
    restart: "no"
networks:
  back: {internal: true}
volumes:
  data: {}
`

// The file runs unchanged, twice at once, with a link between two of its services.
func TestContainersOfAComposeFile(t *testing.T) {
	b := onEngine(t)
	b.write("docker-compose.yaml", fiveServices)
	before := readFile(t, filepath.Join(b.dir, "docker-compose.yaml"))
	b.write(".env", "TOOL_REF="+imagetest.Tool(t)+"\nTOKEN=secret\n")
	file := b.write("s.yaml", `name: compose
seed: 1
run: {duration: 12s, drain: 1s}
target:
  compose: {file: docker-compose.yaml, profiles: [full]}
links:
  WEB->stock: {ports: [8080]}
traffic:
  orders: {rest: {request: "GET http://${WEB.8080}/get?url=http://shop-stock:8080/healthz", checks: [{json: {$.status: 200}}]}, rate: 5/s, timeout: 6s}
  billing: {rest: {request: "GET http://${billing.8080}/get?url=http://stock:8080/healthz", checks: [{json: {$.status: 200}}]}, rate: 5/s, timeout: 6s}
  token: {rest: {request: "GET http://${WEB.8080}/env", checks: [{body: "TOKEN=secret"}]}, rate: 2/s}
faults:
  - {name: cut, at: 3s, for: 3s, link: WEB->stock, latency: 400ms}
expect:
  - orders.p50 > 400ms during cut
  - orders.errors < 1%
  - billing.errors < 1%
  - token.errors < 1%
`)
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			record := b.record(fmt.Sprint("record", i))
			code, stdout, stderr := wringer(t, "run", "--out", record, file)
			if code != reports.ExitPass {
				t.Errorf("run %d: exit %d: %s%s", i, code, stdout, stderr)
				return
			}
			if log, err := os.ReadFile(filepath.Join(record, "output", "seed.log")); err != nil || !strings.Contains(string(log), "seeded") {
				t.Errorf("the seed's output: %v, %s", err, log)
			}
		})
	}
	all.Wait()
	if runs := b.runs(); len(runs) != 2 {
		t.Errorf("runs %q", runs)
	}
	b.clean()
	if readFile(t, filepath.Join(b.dir, "docker-compose.yaml")) != before {
		t.Error("the Compose file was changed")
	}
}

// A service that joins another's network, and one that waits for its start alone, start once it runs.
func TestContainersStartedInOrder(t *testing.T) {
	b := onEngine(t)
	b.write("compose.yaml", `services:
  WEB: {image: IMAGE, ports: ["8080"], environment: {LATE: 1h}, depends_on: {other: {condition: service_started}}}
  other: {image: IMAGE, network_mode: "service:base", environment: {TOOL_LISTEN: ":9080", TOOL_ECHO: ":9081"}}
  base: {image: IMAGE, expose: ["8080"]}
`)
	file := b.scenario("s", "1s", "  compose: {file: compose.yaml}", gateOfErrors)
	for i := range 3 {
		b.ends(reports.ExitPass, []string{"run", "--keep", "--out", b.record(fmt.Sprint("record", i)), file})
		run := loadRecord(t, b.record(fmt.Sprint("record", i))).Run.ID
		begun := make(map[string]time.Time)
		all, err := b.engine.ContainerList(t.Context(), client.ContainerListOptions{Filters: make(client.Filters).Add("label", container.LabelRun+"="+run)})
		b.no(err)
		for _, c := range all.Items {
			inspected, err := b.engine.ContainerInspect(t.Context(), c.ID, client.ContainerInspectOptions{})
			b.no(err)
			begun[c.Labels[container.LabelPart]], err = time.Parse(time.RFC3339Nano, inspected.Container.State.StartedAt)
			b.no(err)
		}
		if len(begun) != 3 || !begun[b.name].After(begun["other"]) || !begun["other"].After(begun["base"]) {
			t.Errorf("started at %v", begun)
		}
		b.ends(0, []string{"cleanup", b.record(fmt.Sprint("record", i))})
	}
	b.clean()
}

// A restart policy starts a container again that ended by itself. The end still fails the run, and the output of both lives is
// kept.
func TestContainersStartedAgainByPolicy(t *testing.T) {
	b := onEngine(t)
	b.write("compose.yaml", `services:
  WEB: {image: IMAGE, ports: ["8080"], restart: always}
  db: {image: IMAGE, ports: ["8080"]}
`)
	file := b.write("s.yaml", `name: policy
seed: 1
run: {duration: 8s, drain: 200ms}
target: {compose: {file: compose.yaml}}
traffic:
  web: {rest: {request: "GET http://${db.8080}/healthz"}, rate: 10/s}
  end: {rest: {request: "GET http://${WEB.8080}/exit?code=7"}, rate: 0.1/s, timeout: 1s}
expect: [web.errors < 90%]
`)
	b.ends(reports.ExitFail, b.run(file), b.name+" ended by itself: exit code 7")
	if text := readFile(t, filepath.Join(b.record("record"), "output", b.name+".log")); strings.Count(text, "tool ready") != 2 {
		t.Errorf("the output of two lives: %s", text)
	}
	b.clean()
}
