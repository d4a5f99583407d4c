package amqp

import (
	"fmt"
	"slices"
	"strings"
)

// dropping are the arguments of a queue by which a broker drops messages, each with what it does.
var dropping = []struct{ argument, does string }{
	{"x-max-length", "holds at most %v messages"},
	{"x-max-length-bytes", "holds at most %v bytes"},
	{"x-message-ttl", "keeps a message for %v ms"},
	{"x-delivery-limit", "gives a message up after %v deliveries"},
	{"x-max-age", "keeps a message for %v"},
	{argumentExpires, "is removed after %v ms without use"},
}

// lossNote names the rules by which the broker may have dropped a message that is missing from the queue that is read back.
func (c *Config) lossNote() string {
	queue, _, err := c.verified()
	if err != nil || queue == "" {
		return ""
	}
	var rules []string
	if q := c.Declare.queue(queue); q != nil {
		for _, d := range dropping {
			if value, has := q.Arguments[d.argument]; has && !refusesInstead(d.argument, q.Arguments) {
				rules = append(rules, fmt.Sprintf(d.does, value)+" ("+d.argument+")")
			}
		}
	}
	if c.Expiration > 0 {
		rules = append(rules, fmt.Sprintf("drops a message after %v (expiration)", c.Expiration))
	}
	if len(rules) == 0 {
		return ""
	}
	return fmt.Sprintf("; the queue %s %s: the broker may have dropped it by that rule", queue, strings.Join(rules, ", "))
}

// refusesInstead says whether a queue that is full refuses new messages, which a publisher then sees, and drops none.
func refusesInstead(argument string, arguments map[string]any) bool {
	overflow, _ := arguments["x-overflow"].(string)
	return strings.HasPrefix(argument, "x-max-length") && slices.Contains([]string{"reject-publish", "reject-publish-dlx"}, overflow)
}
