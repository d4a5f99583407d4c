package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"wringer/scenarios"
	"wringer/scenarios/shop"
)

func shopCommand(std streams) *cobra.Command {
	config := &shop.Config{}
	var rabbit string
	cmd := &cobra.Command{
		Use:   "shop",
		Short: "Serve the embedded target alone, until interrupted",
		Long: "Serve the embedded target alone: a small order system with REST, gRPC and Kafka faces. With the name of a service, serve\n" +
			"that one alone, before a Kafka that runs elsewhere.\n\n" + defectManual(""),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rabbit != "" {
				config.AMQP = &shop.AMQP{URL: rabbit}
			}
			return serve(cmd.Context(), config, std)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Rest, "rest", "127.0.0.1:8080", "`ADDRESS` of the REST face")
	flags.StringVar(&config.GRPC, "grpc", "127.0.0.1:9090", "`ADDRESS` of the gRPC face")
	flags.StringVar(&config.Kafka, "kafka", "127.0.0.1:9092", "`ADDRESS` of the first broker; the others take the next ports")
	flags.StringVar(&rabbit, "amqp", "", "`URL` of a RabbitMQ, for the leg over queues; default: none")
	flags.StringSliceVar(&config.Defects, "defects", nil, "`DEFECTS` to switch on")
	for _, name := range shop.ServiceNames() {
		cmd.AddCommand(serviceCommand(name, std))
	}
	return cmd
}

// defectManual lists the defects that the shop can have, or one of its services.
func defectManual(service string) string {
	var b strings.Builder
	b.WriteString("Defects:\n")
	for _, d := range shop.Defects() {
		if service != "" && !shop.HasDefect(service, d.Name) {
			continue
		}
		fmt.Fprintf(&b, "  %-20s %s\n", d.Name, d.About)
	}
	return b.String()
}

// serve runs the shop until ctx ends.
func serve(ctx context.Context, config *shop.Config, std streams) error {
	var wrong error
	config.Check(func(field, message string) {
		if wrong == nil {
			wrong = usage("shop: --%s: %s", field, message)
		}
	})
	if wrong != nil {
		return wrong
	}
	target, err := config.Start(ctx, scenarios.TargetEnv{Log: (&runFlags{}).logger(std.err)})
	if err != nil {
		return harness("%w", err)
	}
	vars := target.Vars()
	for _, name := range config.Variables() {
		fmt.Fprintf(std.out, "%-6s %s\n", name, vars[name])
	}
	<-ctx.Done()
	return target.Close(context.WithoutCancel(ctx))
}
