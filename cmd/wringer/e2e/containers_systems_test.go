package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"wringer/faults"
	"wringer/faults/container"
	"wringer/reports"
	"wringer/scenarios/containers/imagetest"
)

// box is a container of a kept run, by its part's name.
func (b *bench) box(run, part string) *container.Container {
	b.Helper()
	all, err := b.engine.ContainerList(b.Context(), client.ContainerListOptions{
		Filters: make(client.Filters).Add("label", container.LabelRun+"="+run).Add("label", container.LabelPart+"="+part),
	})
	b.no(err)
	if len(all.Items) != 1 {
		b.Fatalf("containers of %s: %v", part, all.Items)
	}
	return container.New(container.Spec{Engine: b.engine, ID: all.Items[0].ID, Name: part})
}

// says runs a command in a container, and returns what it says.
func (b *bench) says(box *container.Container, words ...string) string {
	b.Helper()
	var out strings.Builder
	if err := box.Run(b.Context(), faults.Command{Words: words}, &out); err != nil {
		b.Errorf("%q: %v: %s", words, err, out.String())
	}
	return out.String()
}

// outside starts a container in the network of the engine's machine, as a client that is no part of a run.
func (b *bench) outside(image string) *container.Container {
	b.Helper()
	made, err := b.engine.ContainerCreate(b.Context(), client.ContainerCreateOptions{
		Config:     &moby.Config{Image: image, Entrypoint: []string{"sleep"}, Cmd: []string{"1h"}, Labels: map[string]string{imagetest.Label: "1"}},
		HostConfig: &moby.HostConfig{NetworkMode: "host"},
	})
	b.no(err)
	b.Cleanup(func() {
		_, err := b.engine.ContainerRemove(context.Background(), made.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		b.no(err)
	})
	_, err = b.engine.ContainerStart(b.Context(), made.ID, client.ContainerStartOptions{})
	b.no(err)
	return container.New(container.Spec{Engine: b.engine, ID: made.ID, Name: "outside"})
}

// keeps runs a scenario with --keep, wants it to pass, and returns the run and how to reach what stands. The test
// removes what was kept.
func (b *bench) keeps(file string) (run string, vars map[string]string) {
	b.Helper()
	b.Cleanup(func() {
		for _, run := range b.runs() {
			b.no(b.engine.RemoveRun(context.Background(), run))
		}
	})
	b.ends(reports.ExitPass, b.run(file, "--keep"))
	runs := b.runs()
	if len(runs) != 1 {
		b.Fatalf("runs %q", runs)
	}
	return runs[0], loadRecord(b.T, b.record("record")).Run.Kept
}

// PostgreSQL is reached from outside and from another container, by one URL each, and has what its files made.
func TestContainersOfPostgres(t *testing.T) {
	slow(t)
	imagetest.Engine(t)
	postgres := imagetest.Postgres(t)
	b := onEngine(t)
	b.write("schema.sql", "CREATE TABLE items (name text PRIMARY KEY, quantity int);\n")
	b.write("stock.sh", "#!/bin/sh\npsql -v ON_ERROR_STOP=1 -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\" -c \"INSERT INTO items VALUES ('item1', 42)\"\n")
	file := b.scenario("s", "1s", strings.ReplaceAll(`  containers:
    WEB: {image: IMAGE, ports: [8080], env: {DB: "${db.url}", ADDRESS: "${db.5432}"}, needs: [db]}
    client: {image: POSTGRES, entrypoint: [sh, -c, 'echo "$DB" >/url && exec sleep 1h'], env: {DB: "${db.url}"}, needs: [db]}
    db: {postgres: {image: POSTGRES, database: shop, user: owner, password: "p@ss/w:rd", init: [schema.sql, stock.sh]}}`,
		"POSTGRES", postgres), gateOfErrors)
	run, vars := b.keeps(file)
	ask := "SELECT current_user, current_database(), quantity FROM items WHERE name = 'item1'"
	const want = "owner|shop|42"
	inside := b.says(b.box(run, "client"), "sh", "-c", fmt.Sprintf(`psql -At "$(cat /url)" -c "%s"`, ask))
	if !strings.Contains(inside, want) {
		t.Errorf("from another container: %s", inside)
	}
	out := b.outside(postgres)
	if said := b.says(out, "psql", "-At", vars["db.url"], "-c", ask); !strings.Contains(said, want) {
		t.Errorf("from outside, by %q: %s", vars["db.url"], said)
	}
	wrong := strings.Replace(vars["db.url"], url.QueryEscape("p@ss/w:rd"), "wrong", 1)
	if err := out.Run(t.Context(), faults.Command{Words: []string{"psql", wrong, "-c", ask}}, new(strings.Builder)); err == nil || wrong == vars["db.url"] {
		t.Errorf("%s: another password is taken", wrong)
	}
	b.ends(0, []string{"cleanup", b.record("record")})
	b.clean()
}

// One RabbitMQ node, and a cluster of three: each is reached from outside and from another container, with its own login.
func TestContainersOfRabbitMQ(t *testing.T) {
	slow(t)
	imagetest.Engine(t)
	rabbit := imagetest.RabbitMQ(t)
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			b := onEngine(t)
			file := b.scenario("s", "1s", strings.NewReplacer("RABBIT", rabbit, "NODES", fmt.Sprint(nodes)).Replace(`  containers:
    WEB: {image: IMAGE, ports: [8080], env: {MQ: "${mq.url}"}, needs: [mq]}
    mq: {rabbitmq: {image: RABBIT, nodes: NODES, user: owner, password: "p@ss/w rd"}}`), gateOfErrors)
			run, vars := b.keeps(file)
			first := "mq"
			if nodes > 1 {
				first = "mq-1"
			}
			web := vars[b.name+".8080"]
			if env := get(t, "http://"+web+"/env"); !strings.Contains(env, "MQ=amqp://owner:p%40ss%2Fw%20rd@"+first+":5672/") {
				t.Errorf("the environment of another container: %s", env)
			}
			if said := get(t, "http://"+web+"/dial?to="+first+":5672&say="+url.QueryEscape(hello)); !strings.Contains(said, "RabbitMQ") {
				t.Errorf("from another container: %s", said)
			}
			for i := range nodes {
				node := first
				if nodes > 1 {
					node = fmt.Sprintf("mq-%d", i+1)
				}
				// The home of the official image's user, who has the cookie.
				b.says(b.box(run, node), "env", "HOME=/var/lib/rabbitmq", "rabbitmqctl", "-q", "authenticate_user", "owner", "p@ss/w rd")
				if said := greeted(t, vars[node+".5672"]); !strings.Contains(said, "RabbitMQ") {
					t.Errorf("%s from outside: %q", node, said)
				}
				if up := running(t, vars[node+".15672"]); up != nodes {
					t.Errorf("by %s %d nodes run, want %d", node, up, nodes)
				}
			}
			b.ends(0, []string{"cleanup", b.record("record")})
			b.clean()
		})
	}
}

// hello begins to speak AMQP 0-9-1: a broker greets with its name.
const hello = "AMQP\x00\x00\x09\x01"

// greeted is the first that a broker says.
func greeted(t *testing.T, address string) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, hello); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 512)
	n, err := io.ReadAtLeast(c, said, 300)
	if err != nil {
		t.Error(err)
	}
	return string(said[:n])
}

// running is how many nodes of a cluster run, by the management of one of them.
func running(t *testing.T, address string) (up int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/api/nodes", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("owner", "p@ss/w rd")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var nodes []struct{ Running bool }
	if err := json.NewDecoder(answer.Body).Decode(&nodes); err != nil {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	http.DefaultClient.CloseIdleConnections()
	for _, n := range nodes {
		if n.Running {
			up++
		}
	}
	return up
}
