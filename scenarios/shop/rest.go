package shop

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// restServer is the shop's REST server.
type restServer struct {
	*httpServer
	orders *orders
	ledger *ledger
}

const (
	maxBody       = 64 << 10
	maxText       = 256 // of an id or a key
	maxOrderItems = 100
)

// openRest takes over the listener. shopCtx ends before close is called.
func openRest(shopCtx context.Context, l net.Listener, o *orders, ledger *ledger) *restServer {
	s := &restServer{orders: o, ledger: ledger}
	routes := http.NewServeMux()
	routes.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) { s.postOrder(shopCtx, w, r) })
	routes.HandleFunc("GET /orders/{id}", s.getOrder)
	routes.HandleFunc("GET /audit", ledger.answer)
	routes.HandleFunc("GET /metrics", s.getMetrics)
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		write(w, answer{http.StatusOK, []byte(`{"status":"ok"}`)})
	})
	s.httpServer = serveHTTP(l, routes)
	return s
}

func (s *restServer) postOrder(shopCtx context.Context, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		write(w, answer{http.StatusBadRequest, problem("bad_request", "read the body: "+err.Error())})
		return
	}
	key := r.Header.Get("Idempotency-Key")
	placed, err := readRequest(key, body)
	if err != nil {
		write(w, answer{http.StatusBadRequest, problem("bad_request", err.Error())})
		return
	}
	placed.trace = traceOf(r.Header)
	if s.orders.defects.hangs(placed.OrderID) {
		awaitClientGone(shopCtx, r.Context())
	}
	run, ok := s.orders.place(shopCtx, key, placed, sha256.Sum256(body))
	if !ok {
		write(w, answer{http.StatusUnprocessableEntity, problem("key_reused", "this Idempotency-Key came with another body before")})
		return
	}
	select {
	case <-run.done:
		write(w, run.answer)
	case <-r.Context().Done():
		awaitClientGone(shopCtx, r.Context())
	case <-shopCtx.Done():
		awaitClientGone(shopCtx, r.Context())
	}
}

// traceKey is the header of a trace (W3C Trace Context), and its metadata key.
const traceKey = "traceparent"

// traceOf is the trace that a request came with; empty when there is none, or too long a text.
func traceOf(h http.Header) string {
	if text := h.Get(traceKey); len(text) <= maxText {
		return text
	}
	return ""
}

// awaitClientGone waits until the client has gone or the shop closes. It ends the request without an answer.
func awaitClientGone(shopCtx, client context.Context) {
	select {
	case <-client.Done():
	case <-shopCtx.Done():
	}
	panic(http.ErrAbortHandler)
}

func (s *restServer) getOrder(w http.ResponseWriter, r *http.Request) {
	write(w, s.orders.lookup(r.PathValue("id")))
}

func readRequest(key string, body []byte) (r request, err error) {
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("the body is not an order: %w", err)
	}
	switch {
	case len(key) > maxText:
		return r, fmt.Errorf("the Idempotency-Key is longer than %d bytes", maxText)
	case r.OrderID == "" || len(r.OrderID) > maxText:
		return r, fmt.Errorf("orderId: write 1 to %d bytes", maxText)
	case r.CustomerID == "" || len(r.CustomerID) > maxText:
		return r, fmt.Errorf("customerId: write 1 to %d bytes", maxText)
	case len(r.Items) == 0 || len(r.Items) > maxOrderItems:
		return r, fmt.Errorf("items: write 1 to %d of them", maxOrderItems)
	}
	for i, item := range r.Items {
		if err := item.check(); err != nil {
			return r, fmt.Errorf("items[%d].%w", i, err)
		}
	}
	return r, nil
}

func (i item) check() error {
	if i.ID == "" || len(i.ID) > maxText {
		return fmt.Errorf("id: write 1 to %d bytes", maxText)
	}
	if i.Quantity < 1 || i.Quantity > maxQuantity {
		return errors.New("quantity: write 1 to 1000000")
	}
	return nil
}

func write(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // fails if the client has gone
}

// problem is the body of an error answer.
func problem(code, text string) []byte {
	body, _ := json.Marshal(struct { // strings: cannot fail
		Code  string `json:"code"`
		Error string `json:"error"`
	}{code, text})
	return body
}
