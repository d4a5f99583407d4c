package kafkalink

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"wringer/faults"
)

// protocol is the layer's name on a link.
const protocol = "kafka"

// Config is `kafka:` of an entry of `links`.
type Config struct {
	Listen    string `yaml:"listen" jsonschema_description:"The address to listen on for the bootstrap. Each broker gets a port of its own: with a port given, that port + 1 + the broker's id, where it is free. Default 127.0.0.1:0, free ports."`
	Bootstrap string `yaml:"bootstrap" jsonschema:"required" jsonschema_description:"The brokers behind the link: host:port, several separated by commas. It may hold the target's variables."`
	Advertise string `yaml:"advertise" jsonschema_description:"The host under which the target reaches this machine. Default: the host on which the link listens."`
}

// Check implements faults.Protocol.
func (c *Config) Check(problem func(field, message string)) {
	if c.Bootstrap == "" {
		problem("bootstrap", "is empty: name the brokers, host:port")
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if c.Listen == "" || err != nil {
		return // the decoder reports it
	}
	if ip := net.ParseIP(host); c.Advertise == "" && (host == "" || ip != nil && ip.IsUnspecified()) {
		problem("listen", "the link listens on every address of the machine, and clients need one of them: give advertise, the host by which the target reaches the link")
	}
}

// Ends implements faults.Protocol.
func (c *Config) Ends() (listen, upstream string) { return c.Listen, c.Bootstrap }

// Prepare implements faults.Protocol.
func (c *Config) Prepare(link faults.Link, address string, log *slog.Logger) error {
	l, err := layerOn(link)
	if err != nil {
		return err
	}
	l.mapping = newMapping(c, address, link.(faults.ListeningLink))
	l.log = log
	return nil
}

// layerOn returns the link's layer. The first call lays it.
func layerOn(link faults.Link) (*layer, error) {
	listening, ok := link.(faults.ListeningLink)
	if !ok {
		return nil, fmt.Errorf("link %s: a %T bears no protocol", link.Name(), link)
	}
	l, err := listening.Lay(protocol, func() faults.Layer { return newLayer(link.Name()) })
	if err != nil {
		return nil, err
	}
	mine, ok := l.(*layer)
	if !ok {
		return nil, errors.New("link " + link.Name() + ": its layer is not of this kind")
	}
	return mine, nil
}
