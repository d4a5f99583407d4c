package e2e

import (
	"strings"
	"testing"

	"wringer/reports"
	"wringer/scenarios/containers/imagetest"
)

// A Toxiproxy in a container of the target is the fault plane: wringer reaches its API and its proxies at published ports, other
// containers by its name. What its toxic did is proven on the stream's connections.
func TestContainersOfToxiproxy(t *testing.T) {
	slow(t)
	imagetest.Engine(t)
	toxiproxy := imagetest.Toxiproxy(t)
	b := onEngine(t)
	b.write("proxies.json", `[{"name": "web", "listen": "0.0.0.0:9000", "upstream": "WEB:8080", "enabled": true},
		{"name": "inner", "listen": "0.0.0.0:9001", "upstream": "WEB:8080", "enabled": true}]`)
	file := b.write("s.yaml", strings.ReplaceAll(`name: toxiproxy
seed: 1
run: {duration: 14s, drain: 5s}
target:
  containers:
    WEB: {image: IMAGE, ports: [8080], ready: {http: /healthz, within: 4m}}
    caller: {image: IMAGE, ports: [8080], ready: {http: /healthz, within: 4m}, needs: [toxi]}
    toxi:
      image: TOXI
      command: [-host, 0.0.0.0, -config, /proxies.json]
      files: {/proxies.json: proxies.json}
      ports: [8474, 9000]
      ready: {http: ":8474/version", within: 4m}
      needs: [WEB]
traffic:
  web: {rest: {request: "GET http://${toxi.9000}/healthz"}, rate: 20/s, timeout: 5s}
  inner: {rest: {request: "GET http://${caller.8080}/get?url=http://toxi:9001/healthz", checks: [{json: {$.status: 200}}]}, rate: 5/s, timeout: 5s}
faults:
  - {name: slow, at: 3s, for: 3s, toxiproxy: "http://${toxi.8474}", proxy: web, through: web, toxic: latency, attributes: {latency: 200}}
  - {name: away, at: 9s, for: 2s, toxiproxy: "http://${toxi.8474}", proxy: web, through: web, down: true}
expect:
  - web.p50 > 150ms during slow
  - web.errors > 10% during away
  - web.errors < 50%
  - inner.errors < 20%
`, "TOXI", toxiproxy))
	said := b.ends(reports.ExitPass, b.run(file))
	for _, f := range loadRecord(t, b.record("record")).Run.Faults {
		if !f.Bit || f.Error != "" {
			t.Errorf("fault %s: touched traffic: %v, %s%s: %s", f.Name, f.Bit, f.Unmeasured, f.Error, said)
		}
	}
	b.clean()
}
