package drivers

// proxied is what a gRPC client makes of the HTTP statuses of proxies, by gRPC's own document
// (doc/http-grpc-status-mapping.md). Every other status is grpc_unknown.
var proxied = map[string]string{
	"http_400": "grpc_internal",
	"http_401": "grpc_unauthenticated",
	"http_403": "grpc_permission_denied",
	"http_404": "grpc_unimplemented",
	"http_429": "grpc_unavailable",
	"http_502": "grpc_unavailable",
	"http_503": "grpc_unavailable",
	"http_504": "grpc_unavailable",
}

// ProxiedCode is the gRPC code that the code of a proxy's HTTP status, as http_503, stands for.
func ProxiedCode(code string) string {
	if meant, ok := proxied[code]; ok {
		return meant
	}
	return "grpc_unknown"
}
