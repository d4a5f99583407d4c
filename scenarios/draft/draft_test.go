package draft

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// document is an OpenAPI document with the parts that real ones have.
const document = `
openapi: 3.0.0
info: {title: "Pet Store", version: "1"}
servers: [{url: "https://{region}.example.com/v1/", variables: {region: {default: eu}}}]
security: [{token: []}]
paths:
  /pets:
    get:
      parameters:
        - {name: limit, in: query, required: true, schema: {type: integer, minimum: 5, maximum: 9}}
        - {name: session, in: cookie, required: true, schema: {type: string}, example: abc}
        - {name: page, in: query, schema: {type: integer}}
      responses: {"200": {description: all, content: {application/json: {schema: {type: array, items: {$ref: "#/components/schemas/Pet"}}}}}}
    post:
      operationId: createPet
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/NewPet"}}}}
      responses: {"201": {description: made, content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}}}
  /pets/{petId}:
    get:
      operationId: readPet
      parameters: [{name: petId, in: path, required: true, schema: {type: string}}]
      responses: {"200": {description: the pet}}
  /owners/{name}:
    get:
      parameters: [{name: name, in: path, required: true, schema: {type: string}}]
      responses: {"200": {description: the owner}}
    delete: {responses: {"204": {description: gone}}}
  /form:
    post:
      requestBody: {content: {application/x-www-form-urlencoded: {schema: {type: object, properties: {a: {type: string, maxLength: 3}}}}}}
      responses: {"2XX": {description: fine}}
  /text:
    put:
      requestBody: {content: {text/plain: {example: "cost ${5} {{six}}"}}}
      responses: {default: {description: any}}
components:
  securitySchemes: {token: {type: http, scheme: bearer}}
  schemas:
    NewPet:
      allOf:
        - {type: object, required: [name, kind], properties: {name: {type: string, minLength: 12}, kind: {type: string, enum: [cat, dog]}}}
        - {type: object, required: [born, parent], properties: {born: {type: string, format: date-time}, parent: {$ref: "#/components/schemas/NewPet"}, note: {type: string}}}
    Pet:
      type: object
      required: [id, name]
      properties: {id: {type: string, readOnly: true}, name: {type: string}}
`

func TestOpenAPI(t *testing.T) {
	made, err := OpenAPI([]byte(document), "", "", "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := made.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"name: pet-store\n", "url: https://eu.example.com/v1\n", "--allow eu.example.com", "Left out: DELETE /owners/{name}.", "auth: {bearer:",
		"limit: \"{{int 5 9}}\"", "Cookie: session=abc", "request: POST ${url}/pets\n", "name: \"{{string 12}}\"", "kind: \"{{choice cat dog}}\"", "born: \"{{timestamp}}\"",
		"c_pet_id: $.id", "request: GET ${url}/pets/{{c_pet_id}}", "request: GET ${url}/owners/", "\"404\"", "form:\n", "a: \"{{string 3}}\"", "- 2xx",
		"cost $${5} {{\"{{\"}}six}}", "body: \"\\\"name\\\"\\\\s*:\"",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(string(text), "page") || strings.Contains(string(text), "note:") {
		t.Error("what is not required is sent")
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
	for name, other := range map[string]string{"no document": "a: b", "text": "{", "swagger": "swagger: '2.0'\ninfo: {title: a, version: b}\npaths: {}", "nothing to send": "openapi: 3.0.0\ninfo: {title: a, version: b}\npaths: {}",
		"another host": "openapi: 3.0.0\ninfo: {title: a, version: b}\npaths: {/a: {$ref: 'http://127.0.0.1:1/x.yaml'}}"} {
		if _, err := OpenAPI([]byte(other), "", "", ""); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestNamed(t *testing.T) {
	for text, want := range map[string]string{"placeOrder": "place-order", "get/orders/{id}": "get-orders-id", "": "s", "123": "s-123", "Ünï": "n", strings.Repeat("a", 99): strings.Repeat("a", 40)} {
		if got := Named(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// No text makes the readers panic or hang.
func FuzzDocuments(f *testing.F) {
	f.Add(document)
	f.Add(`{"log":{"entries":[{"request":{"method":"GET","url":"http://a/"},"response":{"status":200}}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func() (*Scenario, error){
			func() (*Scenario, error) { return OpenAPI([]byte(text), "", "", "") },
			func() (*Scenario, error) { return HAR([]byte(text)) },
		} {
			if made, err := read(); err == nil {
				if _, err := made.YAML(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// The key of an example would make all operations one: each gets its own, and a request that changes something is sent again.
func TestOneKeyForEachOperation(t *testing.T) {
	for request, replayed := range map[string]bool{"POST http://h/orders": true, "GET http://h/orders": false} {
		st := Stream{Name: "requests", Gates: usualGates, Body: yaml.MapSlice{item("rest", yaml.MapSlice{
			item("request", request), item("headers", yaml.MapSlice{item("idempotency-key", "abc"), item("Authorization", "Bearer t")})})}}
		st.GiveKeys()
		text, err := (&Scenario{Name: "first", Streams: []Stream{st}}).YAML()
		if err != nil || !strings.Contains(string(text), `idempotency-key: "{{id}}"`) || strings.Contains(string(text), "replay: 50%") != replayed ||
			strings.Contains(string(text), "- requests.replay_violations == 0") != replayed {
			t.Errorf("%s: %v\n%s", request, err, text)
		}
		rest, _ := st.Body[0].Value.(yaml.MapSlice)
		if found := Credentials(rest); len(found) != 1 || found[0] != "the value of Authorization" {
			t.Errorf("%q", found)
		}
	}
}

// The recorded key of a session would make all operations one.
func TestKeysOfARecordedSession(t *testing.T) {
	made, err := HAR([]byte(`{"log":{"entries":[{"request":{"method":"POST","url":"http://h/orders","headers":[{"name":"Idempotency-Key","value":"abc"}]},"response":{"status":201}}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := made.YAML()
	if err != nil || !strings.Contains(string(text), `Idempotency-Key: "{{id}}-1"`) || strings.Contains(string(text), "abc") {
		t.Errorf("%v\n%s", err, text)
	}
}
