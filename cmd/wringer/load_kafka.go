package main

import (
	"errors"
	"net/url"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"
)

// kafkaFlags are the flags of `wringer load` that only kafka:// has.
type kafkaFlags struct {
	size       string
	acks       string
	partitions int
	replyTopic string
}

func (k *kafkaFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&k.size, "size", "", "Kafka: pad values to this size, as in 1KiB")
	flags.StringVar(&k.acks, "acks", "all", "Kafka: none, leader or all")
	flags.StringVar(&k.replyTopic, "reply-topic", "", "Kafka: each message is a request, acked when its reply came to this topic")
	flags.IntVar(&k.partitions, "partitions", 0, "Kafka: create the topic with so many partitions when it is absent")
}

func (k *kafkaFlags) examples() []string {
	return []string{"kafka://127.0.0.1:9092/payments --size 1KiB --acks all --rate max"}
}

func (k *kafkaFlags) check(_ *url.URL, changed func(flag string) bool) error {
	if changed("reply-topic") && k.replyTopic == "" {
		return errors.New("--reply-topic names no topic")
	}
	return positive(changed, []string{"partitions"}, k.partitions)
}

func (k *kafkaFlags) part(to loadTarget) (yaml.MapSlice, error) {
	if to.serverName != "" {
		return nil, errors.New("--server-name goes with TLS, which kafka:// has none of: write a scenario with tls: in its stream")
	}
	part := yaml.MapSlice{{Key: "brokers", Value: to.url.Host}, {Key: "topic", Value: strings.TrimPrefix(to.url.Path, "/")}, {Key: "acks", Value: k.acks}}
	put := func(is bool, key string, value any) {
		if is {
			part = append(part, yaml.MapItem{Key: key, Value: value})
		}
	}
	put(to.file != "", "value_file", to.file)
	put(to.file == "" && to.data != "", "value", to.data)
	put(k.size != "", "size", k.size)
	put(k.partitions > 0, "partitions", k.partitions)
	put(k.replyTopic != "", "reply", yaml.MapSlice{{Key: "topic", Value: k.replyTopic}})
	put(len(to.headers) > 0, "headers", to.headers)
	put(len(to.feed) > 0, "data", to.feed)
	return part, nil
}
