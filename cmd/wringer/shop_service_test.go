package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/twmb/franz-go/pkg/kfake"

	"wringer/reports"
	"wringer/scenarios/shop"
)

func TestFlagsFromTheEnvironment(t *testing.T) {
	set := func(given []string, variables map[string]string) (shop.ServiceConfig, error) {
		config := shop.ServiceConfig{}
		flags := pflag.NewFlagSet("orders", pflag.ContinueOnError)
		flags.StringVar(&config.Listen, "listen", "here:1", "")
		ordersFlags(flags, &config)
		flags.StringSliceVar(&config.Config.Defects, "defects", nil, "")
		if err := flags.Parse(given); err != nil {
			t.Fatal(err)
		}
		return config, fromEnvironment(flags, func(name string) (string, bool) { v, ok := variables[name]; return v, ok })
	}
	c, err := set([]string{"--inventory", "flag:1"}, map[string]string{
		"SHOP_INVENTORY": "variable:1", "SHOP_CALL_TIMEOUT": "80ms", "SHOP_RETRIES": "false", "SHOP_DEFECTS": "hang,no-dedupe", "SHOP_LISTEN": "",
	})
	if err != nil || c.Inventory != "flag:1" || c.Listen != "here:1" || c.Config.CallTimeout != 80*time.Millisecond ||
		*c.Config.Retries || !*c.Config.Breaker || strings.Join(c.Config.Defects, " ") != "hang no-dedupe" {
		t.Errorf("%+v, retries %v: %v", c, *c.Config.Retries, err)
	}
	if _, err := set(nil, map[string]string{"SHOP_CAPACITY": "many"}); err == nil || !strings.Contains(err.Error(), "SHOP_CAPACITY") {
		t.Errorf("the error does not name the variable: %v", err)
	}
}

// A service says on one line when it is ready, and ends in good order when it is asked to.
func TestServiceOfTheShop(t *testing.T) {
	brokers, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer brokers.Close()
	t.Setenv("SHOP_KAFKA", brokers.ListenAddrs()[0])
	ctx, end := context.WithCancel(t.Context())
	defer end()
	out := &endAt{text: "inventory ready on 127.0.0.1:", end: end}
	var errs bytes.Buffer
	code := run(ctx, []string{"shop", "inventory", "--listen", "127.0.0.1:0"}, streams{strings.NewReader(""), out, &errs})
	if code != reports.ExitPass || !strings.HasSuffix(out.String(), "inventory ended\n") {
		t.Errorf("exit %d, %q, %q", code, out.String(), errs.String())
	}
}

// endAt calls end once the text was written.
type endAt struct {
	bytes.Buffer
	text string
	end  func()
}

func (w *endAt) Write(p []byte) (int, error) {
	defer func() {
		if strings.Contains(w.String(), w.text) {
			w.end()
		}
	}()
	return w.Buffer.Write(p)
}
