package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"wringer/faults"
	"wringer/scenarios/shop"
)

// closePatience is how long a service may take to end. Docker kills a container 10 s after it asked it to end.
const closePatience = 8 * time.Second

// serviceCommand serves one of the shop's services. Every flag has a variable of the environment.
func serviceCommand(name string, std streams) *cobra.Command {
	config := &shop.ServiceConfig{Name: name}
	cmd := &cobra.Command{
		Use:   name,
		Short: serviceAbout[name],
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd.Flags(), os.LookupEnv); err != nil {
				return err
			}
			return serveService(cmd.Context(), config, std)
		},
	}
	cmd.Long = serviceAbout[name] + ", until interrupted. Topics that the brokers do not have are created.\n\n" +
		"Each flag can be given in the environment: --listen as SHOP_LISTEN, --call-timeout as SHOP_CALL_TIMEOUT."
	flags := cmd.Flags()
	flags.StringVar(&config.Listen, "listen", shop.DefaultListen(name), "`ADDRESS` to listen on; in a container write :PORT")
	flags.StringVar(&config.Kafka, "kafka", "127.0.0.1:9092", "`ADDRESSES` of brokers to ask first, with commas")
	flags.IntVar(&config.Config.Partitions, "partitions", 0, "partitions of a topic that is created; 0: 6")
	flags.IntVar(&config.Replicas, "replicas", 0, "replicas of a topic that is created; 0: as many as there are brokers or --kafka names, at most 3")
	flags.DurationVar(&config.Within, "within", shop.DefaultWithin, "how long the start may wait for the brokers")
	switch name {
	case "orders":
		ordersFlags(flags, config)
	case "fulfilment":
		flags.DurationVar(&config.Session, "session", shop.DefaultSession, "so long after a kill its partitions go to another member of the group")
	}
	if name != "inventory" {
		cmd.Long += "\n\n" + defectManual(name)
		flags.StringSliceVar(&config.Config.Defects, "defects", nil, "`DEFECTS` to switch on")
	}
	return cmd
}

var serviceAbout = map[string]string{
	"orders":     "Serve the shop's order service alone: REST, and GET /healthz",
	"inventory":  "Serve the shop's inventory alone: gRPC with health and reflection",
	"fulfilment": "Run the shop's fulfilment alone: a consumer group, and GET /healthz",
}

func ordersFlags(flags *pflag.FlagSet, config *shop.ServiceConfig) {
	c := &config.Config
	c.Timeouts, c.Retries, c.Breaker = new(bool), new(bool), new(bool)
	flags.StringVar(&config.Inventory, "inventory", shop.DefaultListen("inventory"), "`ADDRESS` of the inventory")
	flags.BoolVar(c.Timeouts, "timeouts", true, "whether its calls have timeouts")
	flags.DurationVar(&c.CallTimeout, "call-timeout", 0, "of each call of the inventory; 0: 150ms")
	flags.BoolVar(c.Retries, "retries", true, "whether it retries its calls of the inventory")
	flags.BoolVar(c.Breaker, "breaker", true, "whether a circuit breaker guards the calls of the inventory")
	flags.IntVar(&c.Capacity, "capacity", 0, "requests that it works on at once; one more is answered 503; 0: 8192")
}

// fromEnvironment sets the flags that the command line does not set from variables: --call-timeout from SHOP_CALL_TIMEOUT. An
// empty variable sets nothing.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var wrong error
	flags.VisitAll(func(f *pflag.Flag) {
		variable := "SHOP_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, _ := lookup(variable)
		if f.Changed || value == "" || f.Name == "help" || wrong != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			wrong = usage("shop: %s: %w", variable, err)
		}
	})
	return wrong
}

// serveService runs the service until ctx ends.
func serveService(ctx context.Context, config *shop.ServiceConfig, std streams) error {
	var wrong error
	config.Check(func(field, message string) {
		if wrong == nil {
			wrong = usage("shop %s: --%s: %s", config.Name, strings.ReplaceAll(field, "_", "-"), message)
		}
	})
	if wrong != nil {
		return wrong
	}
	log := slog.New(slog.NewTextHandler(std.err, nil)).With("service", config.Name)
	service, err := shop.OpenService(ctx, *config, faults.Network{}, log)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // asked to end while it started
	case err != nil:
		return harness("%w", err)
	}
	fmt.Fprintf(std.out, "%s ready on %s, with kafka %s\n", config.Name, service.Address(), config.Kafka)
	<-ctx.Done()
	closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closePatience)
	defer cancel()
	if err := service.Close(closeCtx); err != nil {
		return harness("%w", err)
	}
	fmt.Fprintf(std.out, "%s ended\n", config.Name)
	return nil
}
