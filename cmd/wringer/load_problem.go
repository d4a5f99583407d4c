package main

import (
	"fmt"
	"strings"

	"wringer/scenarios"
)

// flagsOfKeys are the flags that a key of the written scenario comes from.
var flagsOfKeys = map[string]string{
	"duration": "--for", "warmup": "--warmup", "seed": "--seed", "expect": "--expect",
	"rate": "--rate", "ramp": "--ramp", "steps": "--steps", "users": "--users", "operations": "--requests", "timeout": "--timeout", "max_in_flight": "--max-in-flight",
	"request": "the URL", "target": "the URL", "method": "the URL", "brokers": "the URL", "topic": "the URL", "url": "the URL",
	"headers": "-H", "metadata": "-H", "data": "--feed",
	"body": "-d", "body_file": "-d", "value": "-d", "value_file": "-d", "message": "-d", "message_file": "-d",
	"query": "--query", "multipart": "-F", "auth": "-u", "ok": "--ok", "max_body": "--max-body", "redirects": "--redirects", "targets": "--targets",
	"http2": "--http2", "keepalive": "--disable-keepalive", "connection": "--unix-socket", "server_name": "--server-name",
	"ca": "--cacert", "cert": "--cert", "key": "--key", "insecure": "--insecure",
	"protos": "--proto", "import_paths": "--import-path", "descriptors": "--protoset", "connections": "--connections", "balance": "--lb-strategy",
	"compression": "--gzip", "authority": "--authority", "messages": "--messages", "every": "--message-interval", "replies": "--replies", "half_close": "--half-close",
	"acks": "--acks", "partitions": "--partitions", "size": "--size",
	"queue": "--queue", "declare": "--queue", "exchange": "--exchange", "routing_key": "--routing-key", "channels": "--channels", "type": "--queue-type",
}

// flagged puts the problems of the written scenario in words of the flags: whoever gave flags knows no line of it.
func flagged(src []byte, all scenarios.Problems) string {
	lines := strings.Split(string(src), "\n")
	var out []string
	for _, p := range all {
		text := strings.ReplaceAll(p.Message, loadStream+".", "")
		if flag := flagAt(lines, p.Line); flag != "" && !strings.HasPrefix(text, flag) {
			text = flag + ": " + unkeyed(text)
		}
		out = append(out, text)
	}
	return strings.Join(out, "\n  ")
}

// unkeyed is a message without the key of the scenario at its front.
func unkeyed(text string) string {
	key, rest, ok := strings.Cut(text, ": ")
	if language.Drivers[key] != nil && ok {
		text = rest
		key, rest, ok = strings.Cut(text, ": ")
	}
	if of, name, nested := strings.Cut(key, "."); ok && nested && flagsOfKeys[of] != "" {
		return name + ": " + rest // headers.X: ... is -H: X: ...
	}
	last := key[strings.LastIndexAny(key, ".")+1:]
	last, _, _ = strings.Cut(last, "[")
	if _, known := flagsOfKeys[last]; ok && known || ok && flagsOfKeys[key] != "" {
		return rest
	}
	return text
}

// flagAt is the flag that a line of the written scenario comes from: that of the outermost key around it that has a flag. Lines count
// from 1.
func flagAt(lines []string, line int) (flag string) {
	indent := -1
	for i := line - 1; i >= 0 && i < len(lines) && indent != 0; i-- {
		bare := strings.TrimLeft(lines[i], " -")
		depth := len(lines[i]) - len(bare)
		if indent >= 0 && depth >= indent {
			continue
		}
		indent = depth
		key, _, _ := strings.Cut(bare, ":")
		of, ok := flagsOfKeys[strings.Trim(key, `"'`)]
		if ok && !(of == "--rate" && flag != "") {
			flag = of
		}
	}
	return flag
}

// warn tells the warnings of the written scenario by the flags.
func warn(src []byte, all []scenarios.Problem) (lines []string) {
	for _, w := range all {
		lines = append(lines, fmt.Sprintf("warning: %s", flagged(src, scenarios.Problems{w})))
	}
	return lines
}
