package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience bounds each attempt of the tool to reach something.
const patience = 5 * time.Second

func main() {
	if len(os.Args) > 1 {
		os.Exit(once(os.Args[1:], os.Stdout, os.Stderr))
	}
	ctx, stop := context.WithCancel(context.Background())
	if os.Getenv("TOOL_DEAF") == "1" {
		signal.Ignore(syscall.SIGTERM)
	} else {
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	}
	err := serve(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tool:", err)
		os.Exit(1)
	}
	fmt.Println("tool ended")
}

// serve serves until ctx ends.
func serve(ctx context.Context) error {
	after, err := time.ParseDuration(cmp.Or(os.Getenv("TOOL_READY_AFTER"), "0s"))
	if err != nil {
		return fmt.Errorf("TOOL_READY_AFTER: %w", err)
	}
	web, err := net.Listen("tcp", cmp.Or(os.Getenv("TOOL_LISTEN"), ":8080"))
	if err != nil {
		return err
	}
	echo, err := net.Listen("tcp", cmp.Or(os.Getenv("TOOL_ECHO"), ":8081"))
	if err != nil {
		return err
	}
	go echoAll(echo)
	server := &http.Server{Handler: routes(time.Now().Add(after), os.Exit)}
	context.AfterFunc(ctx, func() { server.Close() })
	fmt.Printf("tool ready on %s, echo on %s\n", web.Addr(), echo.Addr())
	if err := server.Serve(web); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// echoAll echoes each connection until its peer has ended its half, and ends its own half then. It ends with the listener.
func echoAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c) // a peer that goes away is no concern of the echo
			_ = c.(*net.TCPConn).CloseWrite()
		}()
	}
}

// once does what the arguments say and returns the exit code.
func once(args []string, out, errs io.Writer) int {
	switch {
	case args[0] == "get" && len(args) == 2:
		a := get(context.Background(), args[1])
		if a.Error == "" && a.Status < http.StatusBadRequest {
			return 0
		}
		fmt.Fprintln(errs, cmp.Or(a.Error, http.StatusText(a.Status)))
		return 1
	case args[0] == "dial" && len(args) == 2:
		a := dial(context.Background(), args[1], "")
		if a.Error == "" {
			return 0
		}
		fmt.Fprintln(errs, a.Error)
		return 1
	case args[0] == "hold" && len(args) == 2:
		mb, err := strconv.Atoi(args[1])
		if err != nil || mb < 0 {
			fmt.Fprintln(errs, "tool: hold: write a whole number of MiB")
			return 2
		}
		(&memory{}).hold(mb)
		return 0
	case args[0] == "exit" && len(args) >= 2:
		code, err := strconv.Atoi(args[1])
		if err != nil {
			fmt.Fprintln(errs, "tool: exit:", err)
			return 2
		}
		fmt.Fprintln(out, strings.Join(args[2:], " "))
		return code
	}
	fmt.Fprintln(errs, "usage: tool [get URL | dial HOST:PORT | hold MIB | exit CODE [TEXT...]]")
	return 2
}
