package scenarios

import (
	"reflect"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"wringer/reports/metric"
)

// LinkWitness is the witness of a link: true, or a table that says where a request carries its identity.
type LinkWitness struct {
	On bool   `yaml:"-"`
	ID string `yaml:"id" jsonschema:"required" jsonschema_description:"Where each request carries its identity: header NAME (in gRPC: metadata; in Kafka and AMQP: a header of each message), message_id (AMQP), a path into its JSON body, such as $.order.id, or the numbers of a field in its Protobuf body: field 1, or field 3.1 for one in a message."`
	// Methods are those whose requests carry the identity.
	Methods []string `yaml:"methods" jsonschema_description:"The methods whose requests carry the identity, where others carry none: POST, POST /orders, /shop.Stock/Reserve, as the report names them. Requests of others are counted and not told apart. Default: all."`
}

// messageID is the place of an identity that only messages of AMQP have.
const messageID = "message_id"

// LinkSubject is the subject of the metrics of a link: link(orders->stock).requests.
const LinkSubject = "link"

// decodeNode reads either form.
func (w *LinkWitness) decodeNode(d *decoder, n *node, name string) {
	if n.kind != table {
		d.scalar(n, name, reflect.ValueOf(&w.On).Elem())
		return
	}
	w.On = true
	d.table(n, name, reflect.ValueOf(w).Elem(), nil)
}

// linkWitnessSchema describes both forms.
func linkWitnessSchema() *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		{Type: "boolean"}, ref("text"), (&schemaWriter{}).reflect(reflect.TypeFor[LinkWitness]()),
	}}
}

// checkWitness checks the witness of a link, which is otherwise sound.
func (r *reader) checkWitness(n *node, l *Link) {
	if !l.Witness.On {
		return
	}
	at := n.get("witness")
	if strings.Contains(l.upstream, "https://") {
		r.problem(at, "%s: witness: sees nothing of TLS, which %s speaks: lead the link to a plain port of the service, or take witness away", l.Name, quote(l.upstream))
	}
	if l.Witness.ID == "" {
		return
	}
	if l.Protocol != nil && l.Witness.ID == messageID {
		r.problem(at.find("id"), "%s: witness.id: %s is a property of AMQP; records of %s carry an identity in a header or in their value: write header NAME, a path such as $.order.id, or field 1", l.Name, messageID, l.ProtocolName)
		return
	}
	for _, method := range l.Witness.Methods {
		if strings.TrimSpace(method) != method || method == "" {
			r.problem(at.find("methods"), "%s: witness.methods: %s is no method; write POST, POST /orders or /shop.Stock/Reserve", l.Name, quote(method))
		}
	}
	if r.lang.RequestID == nil {
		return
	}
	if err := r.lang.RequestID(l.Witness.ID); err != nil {
		r.problem(at.find("id"), "%s: witness.id: %v", l.Name, err)
	}
}

// Link returns the link of that name, nil when there is none.
func (s *Scenario) Link(name string) *Link {
	for i := range s.Links {
		if s.Links[i].Name == name {
			return &s.Links[i]
		}
	}
	return nil
}

// checkLinkGate checks a gate on a link: the link must have a witness that can tell the metric.
func (r *reader) checkLinkGate(n *node, g *Gate, s *Scenario) {
	if g.Stream != "" && s.Stream(g.Stream) == nil {
		r.noStream(n, g, s)
		return
	}
	l := s.Link(g.Subject.Name)
	var names []string
	for i := range s.Links {
		names = append(names, s.Links[i].Name)
	}
	switch {
	case len(names) == 0:
		r.problem(n, "gate %s: the scenario has no links", quote(g.Expr))
	case l == nil:
		r.problem(n, "gate %s: there is no link %s; %s", quote(g.Expr), quote(g.Subject.Name), choices(g.Subject.Name, names))
	case !l.Witness.On:
		r.problem(n, "gate %s: the link has no witness: give %s witness: true", quote(g.Expr), l.Name)
	default:
		if why := s.untold(g, l); why != "" {
			r.problem(n, "gate %s: %s cannot be measured: %s", quote(g.Expr), g.Metric.Name, why)
			return
		}
		r.checkScope(n, g, s)
	}
}

// untold is the reason why the witness of a link cannot tell a gate's metric; empty when it can.
func (s *Scenario) untold(g *Gate, l *Link) string {
	t := s.Stream(g.Stream)
	need := g.Metric.Needs.Sending
	switch {
	case t != nil && t.Consume != nil:
		return "the stream " + t.Name + " sends nothing"
	case t != nil && need != metric.LinkOperations && need != metric.LinkTie:
		return "it is of the link, whichever stream caused it: write " + LinkSubject + "(" + l.Name + ")." + g.Metric.Name
	case need == metric.LinkIdentity && l.Witness.ID == "":
		return "requests cannot be told apart: say where each carries its identity, as in witness: {id: header X-Request-Id}"
	case need == metric.LinkTie && !s.Tied(l, t):
		return "nothing ties requests to operations: give the stream trace: true, if the services pass traceparent or b3 on, or let witness.id name a place that holds {{id}}"
	}
	return ""
}

// Tied says whether something can tie requests on the link to operations of a stream; nil: of any stream.
func (s *Scenario) Tied(l *Link, t *Stream) bool {
	if l.Protocol != nil { // the witness reads its messages for their identity alone
		return l.Witness.ID != ""
	}
	return l.Witness.ID != "" || slices.ContainsFunc(s.Traffic, func(o Stream) bool { return o.Trace.Asked() && (t == nil || o.Name == t.Name) })
}

// Witnessed lists the links with a witness.
func (s *Scenario) Witnessed() (links []*Link) {
	for i := range s.Links {
		if s.Links[i].Witness.On {
			links = append(links, &s.Links[i])
		}
	}
	return links
}
