package main

import (
	"errors"
	"net/url"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"
)

// amqpFlags are the flags of `wringer load` that only amqp:// has.
type amqpFlags struct {
	queue, exchange, routingKey string
	queueType                   string
	size                        string
	channels                    int
	reply                       bool
	replyTo                     string
}

// amqpPassword stands for the URL's password in the scenario.
const amqpPassword = "WRINGER_AMQP_PASSWORD"

func (a *amqpFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&a.queue, "queue", "", "RabbitMQ: the queue; one that is absent is declared, durable, and removed at the end")
	flags.StringVar(&a.exchange, "exchange", "", "RabbitMQ: an exchange, instead of --queue")
	flags.StringVar(&a.routingKey, "routing-key", "", "RabbitMQ: the routing key, with --exchange")
	flags.StringVar(&a.queueType, "queue-type", "classic", "RabbitMQ: classic, quorum or stream, of a queue that is declared")
	flags.StringVar(&a.size, "message-size", "", "RabbitMQ: pad bodies to this size, as in 1KiB")
	flags.IntVar(&a.channels, "channels", 0, "RabbitMQ: so many channels")
	flags.BoolVar(&a.reply, "reply", false, "RabbitMQ: each message is a request, acked when its reply came to a queue of our own")
	flags.StringVar(&a.replyTo, "reply-to", "", "RabbitMQ: --reply with this queue, which is there already, for the replies")
}

func (a *amqpFlags) examples() []string {
	return []string{"amqp://guest:guest@127.0.0.1:5672/ --queue orders --queue-type quorum --rate 5000/s",
		"amqp://guest:guest@127.0.0.1:5672/ --queue reserve --reply --rate 100/s"}
}

func (a *amqpFlags) check(_ *url.URL, changed func(flag string) bool) error {
	switch {
	case a.queue == "" && a.exchange == "":
		return errors.New("amqp:// needs --queue or --exchange")
	case a.queue != "" && a.exchange != "":
		return errors.New("--queue and --exchange exclude each other")
	case a.routingKey != "" && a.exchange == "":
		return errors.New("--routing-key goes with --exchange")
	case changed("queue-type") && a.queue == "":
		return errors.New("--queue-type goes with --queue")
	}
	if changed("reply-to") && a.replyTo == "" {
		return errors.New("--reply-to names no queue; for one of our own write --reply")
	}
	return positive(changed, []string{"channels"}, a.channels)
}

func (a *amqpFlags) part(to loadTarget) (yaml.MapSlice, error) {
	if len(to.feed) > 0 {
		return nil, errors.New("--feed goes with http://, grpc:// and kafka://")
	}
	if to.serverName != "" && to.url.Scheme == "amqp" {
		return nil, errors.New("--server-name goes with TLS: write amqps://")
	}
	part := yaml.MapSlice{{Key: "url", Value: hiddenPassword(to)}}
	put := func(is bool, key string, value any) {
		if is {
			part = append(part, yaml.MapItem{Key: key, Value: value})
		}
	}
	put(a.queue != "", "queue", a.queue)
	put(a.queue != "", "declare", yaml.MapSlice{{Key: "queues", Value: yaml.MapSlice{{Key: a.queue, Value: yaml.MapSlice{{Key: "type", Value: a.queueType}}}}}})
	put(a.exchange != "", "exchange", a.exchange)
	put(a.routingKey != "", "routing_key", a.routingKey)
	put(to.file != "", "body_file", to.file)
	put(to.file == "" && to.data != "", "body", to.data)
	put(a.size != "", "size", a.size)
	put(a.channels > 0, "channels", a.channels)
	put(len(to.headers) > 0, "headers", to.headers)
	reply := yaml.MapSlice{}
	if a.replyTo != "" {
		reply = append(reply, yaml.MapItem{Key: "queue", Value: a.replyTo})
	}
	put(a.reply || a.replyTo != "", "reply", reply)
	put(to.serverName != "", "tls", yaml.MapSlice{{Key: "server_name", Value: to.serverName}})
	return part, nil
}

// hiddenPassword is the URL without its password, which the record would keep. The password of a new broker is no secret.
func hiddenPassword(to loadTarget) string {
	password, has := to.url.User.Password()
	if !has || password == "guest" {
		return to.text
	}
	hidden := *to.url
	hidden.User = nil
	place := hidden.String()[len(to.url.Scheme)+len("://"):]
	return to.url.Scheme + "://" + url.PathEscape(to.url.User.Username()) + ":" + to.hide(amqpPassword, url.PathEscape(password)) + "@" + place
}
