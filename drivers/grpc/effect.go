package grpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
	"wringer/drivers/effect"
	"wringer/drivers/jsonpath"
	"wringer/drivers/tlsconfig"
)

// Effect is the `grpc:` part of `effects:`: a unary method that is read whole, or a server stream that is read whole or followed.
// Messages are looked at in their JSON form.
type Effect struct {
	Target      string            `yaml:"target" jsonschema:"required" jsonschema_description:"host:port; several separated by commas."`
	Method      string            `yaml:"method" jsonschema:"required" jsonschema_description:"The method: package.Service/Method. Unary, or with a stream of answers."`
	Message     any               `yaml:"message" jsonschema_description:"The request, by field name. Absent: the empty message."`
	Items       string            `yaml:"items" jsonschema_description:"JSON path to the list of items in each message: $.orders. Absent: each message is one item. Fields have the names of their JSON form: orderId."`
	Follow      bool              `yaml:"follow" jsonschema_description:"The method streams answers without an end: read them while the run goes on."`
	Metadata    map[string]string `yaml:"metadata" jsonschema_description:"Metadata by key. Write a secret as ${env.NAME}."`
	TLS         *tlsconfig.Config `yaml:"tls" jsonschema_description:"Present: TLS; {} trusts the system's authorities. Absent: no TLS."`
	Protos      []string          `yaml:"protos" path:"import" jsonschema_description:"Files that define the method, by their names within import_paths. Default: the target is asked by server reflection."`
	ImportPaths []string          `yaml:"import_paths" path:"folder" jsonschema_description:"Folders in which protos and their imports are looked for, relative to the scenario. Default: the scenario's own."`
	Descriptors string            `yaml:"descriptors" path:"file" jsonschema_description:"A descriptor set that defines the method, instead of protos."`

	effect.Fields   `yaml:",inline"`
	effect.Readings `yaml:",inline"`
}

// mostAnswer bounds one message of an answer.
const mostAnswer = 64 << 20

// call is the configuration of a stream that makes the call.
func (e *Effect) call() *Config {
	return &Config{Target: e.Target, Method: e.Method, Message: e.Message, Metadata: e.Metadata, TLS: e.TLS, Protos: e.Protos, ImportPaths: e.ImportPaths, Descriptors: e.Descriptors}
}

// Check implements drivers.SourceConfig.
func (e *Effect) Check(problem func(field, message string)) {
	e.call().Check(problem)
	if templated(e.Message) {
		problem("message", "may hold no {{...}}: the call is not made for an operation")
	}
	for _, key := range slices.Sorted(maps.Keys(e.Metadata)) {
		if strings.Contains(e.Metadata[key], "{{") {
			problem("metadata."+key, "may hold no {{...}}: the call is not made for an operation")
		}
	}
	if _, err := e.itemsAt(); err != nil {
		problem("items", err.Error())
	}
	if e.Follow {
		for field, set := range map[string]bool{"every": e.Every != 0, "time": e.Time != "", "items": e.Items != ""} {
			if set {
				problem(field, "does not work with follow, which takes each message as it comes")
			}
		}
	}
	e.Fields.Check(effect.CheckPath, problem)
	e.Readings.Check(problem)
}

// templated says whether some text of the message holds a place of a template.
func templated(message any) bool {
	text, err := json.Marshal(jsonTree(message))
	return err == nil && strings.Contains(string(text), "{{")
}

// CheckFiles implements drivers.FileChecker.
func (e *Effect) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	e.call().CheckFiles(folder, ready, problem)
}

func (e *Effect) itemsAt() (*jsonpath.Path, error) {
	if e.Items == "" {
		return nil, nil
	}
	return jsonpath.Parse(e.Items)
}

// Describe implements drivers.SourceConfig.
func (e *Effect) Describe() drivers.SourceDescription {
	d := drivers.SourceDescription{Place: e.Target + "/" + strings.TrimPrefix(e.Method, "/"), Matched: e.Matched(), Cannot: effect.FollowLimits()}
	if !e.Follow {
		d.Gauges, d.Counters, d.Cannot = effect.SnapshotGauges(), effect.SnapshotGauges(), e.Limits(&e.Fields)
	}
	return d
}

// Open implements drivers.SourceConfig.
func (e *Effect) Open(ctx context.Context, env drivers.Env) (drivers.Source, error) {
	reader, err := e.Fields.Open(env)
	if err != nil {
		return nil, err
	}
	env.Dial = env.Direct
	c, err := e.open(ctx, env)
	if err != nil {
		return nil, err
	}
	if e.Follow {
		return effect.NewFollow(e.Describe().Place, env, reader, c.documents, c.follow), nil
	}
	return effect.NewSnapshot(e.Describe().Place, env, reader, e.Readings, c), nil
}

// reading makes the call of an Effect, and reads its answers.
type reading struct {
	conn      *grpc.ClientConn
	method    protoreflect.MethodDescriptor
	types     *dynamicpb.Types
	request   *dynamicpb.Message
	metadata  metadata.MD
	items     *jsonpath.Path
	documents effect.Documents
}

var _ effect.Whole = (*reading)(nil)

func (e *Effect) open(ctx context.Context, env drivers.Env) (*reading, error) {
	c := e.call()
	d := &driver{env: env, method: "/" + strings.TrimPrefix(e.Method, "/"), secure: e.TLS != nil}
	var err error
	if d.dialling, err = d.dialOptions(c); err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	r := &reading{metadata: metadata.New(e.Metadata)}
	if r.method, err = d.methodOf(ctx, c); err != nil {
		return nil, err
	}
	r.types = d.types
	if err := e.prepare(r); err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	if r.conn, err = c.connect(d.dialling...); err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	return r, nil
}

// prepare makes the request, and checks that the method fits.
func (e *Effect) prepare(r *reading) (err error) {
	switch {
	case r.method.IsStreamingClient():
		return fmt.Errorf("method: %s takes a stream of messages, and an effect is read by one", e.Method)
	case e.Follow && !r.method.IsStreamingServer():
		return fmt.Errorf("follow: %s gives one answer; remove follow", e.Method)
	}
	if r.items, err = e.itemsAt(); err != nil {
		return err
	}
	if r.documents, err = e.Documents(); err != nil {
		return err
	}
	r.request = dynamicpb.NewMessage(r.method.Input())
	if e.Message == nil {
		return nil
	}
	text, err := json.Marshal(jsonTree(e.Message))
	if err != nil {
		return fmt.Errorf("message: %w", err)
	}
	if err := (protojson.UnmarshalOptions{Resolver: r.types}).Unmarshal(text, r.request); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	return nil
}

// answers begins the call.
func (r *reading) answers(ctx context.Context) (grpc.ClientStream, error) {
	ctx = metadata.NewOutgoingContext(ctx, r.metadata)
	name := fmt.Sprintf("/%s/%s", r.method.Parent().FullName(), r.method.Name())
	s, err := r.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, name, grpc.MaxCallRecvMsgSize(mostAnswer), grpc.WaitForReady(false))
	if err == nil {
		if err = s.SendMsg(r.request); err == nil {
			err = s.CloseSend()
		}
	}
	if err != nil {
		return nil, unread(err)
	}
	return s, nil
}

// unread tells the scenario's errors from those of the target.
func unread(err error) error {
	switch status.Code(err) {
	case codes.Unimplemented, codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated:
		return fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	return fmt.Errorf("%w: %w", drivers.ErrUnreachable, err)
}

// next returns the next message as JSON; io.EOF after the last.
func (r *reading) next(s grpc.ClientStream) ([]byte, error) {
	m := dynamicpb.NewMessage(r.method.Output())
	if err := s.RecvMsg(m); err != nil {
		return nil, err
	}
	return protojson.MarshalOptions{Resolver: r.types, EmitUnpopulated: true}.Marshal(m)
}

// Read implements effect.Whole: all answers, up to a good end of the call.
func (r *reading) Read(ctx context.Context, item func(effect.Field) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := r.answers(ctx)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		doc, err := r.next(s)
		switch {
		case ended(err) && n == 0 && !r.method.IsStreamingServer():
			return fmt.Errorf("%w: the call ended without an answer", drivers.ErrUnreachable)
		case ended(err):
			return nil
		case err != nil:
			return unread(err)
		}
		items := [][]byte{doc}
		if r.items != nil {
			if items, err = effect.Items(doc, r.items); err != nil {
				return err
			}
		}
		for _, one := range items {
			field, err := r.documents.Fields(one)
			if err != nil {
				return err
			}
			if err := item(field); err != nil {
				return err
			}
		}
	}
}

// Close implements effect.Whole.
func (r *reading) Close() error { return r.conn.Close() }

// follow opens the stream. Its headers show that the target has begun it.
func (r *reading) follow(ctx context.Context) (effect.Stream, error) {
	s, err := r.answers(ctx)
	if err != nil {
		return nil, errors.Join(err, r.conn.Close())
	}
	return &followed{r, s}, nil
}

type followed struct {
	*reading
	stream grpc.ClientStream
}

// Next implements effect.Stream.
func (f *followed) Next() ([]byte, error) { return f.next(f.stream) }

// ended says that a call ended well.
func ended(err error) bool { return errors.Is(err, io.EOF) }
