package witness

// amqpMethod is a method of AMQP 0-9-1: its class, and its number within the class.
type amqpMethod struct{ class, number uint16 }

// The methods that are told apart.
var (
	connectionClose   = amqpMethod{10, 50}
	connectionCloseOk = amqpMethod{10, 51}
	channelClose      = amqpMethod{20, 40}
	channelCloseOk    = amqpMethod{20, 41}
	basicConsume      = amqpMethod{60, 20}
	basicConsumeOk    = amqpMethod{60, 21}
	basicPublish      = amqpMethod{60, 40}
	basicReturn       = amqpMethod{60, 50}
	basicDeliver      = amqpMethod{60, 60}
	basicGetEmpty     = amqpMethod{60, 72}
	basicAck          = amqpMethod{60, 80}
	basicReject       = amqpMethod{60, 90}
	basicNack         = amqpMethod{60, 120}
	confirmSelect     = amqpMethod{85, 10}
)

// amqpCalls are the methods of a client that the broker answers with the next number of their class.
var amqpCalls = map[amqpMethod]string{
	{20, 10}: "channel.open", {20, 40}: "channel.close", {40, 10}: "exchange.declare", {40, 20}: "exchange.delete", {40, 30}: "exchange.bind",
	{50, 10}: "queue.declare", {50, 20}: "queue.bind", {50, 30}: "queue.purge", {50, 40}: "queue.delete", {50, 50}: "queue.unbind",
	{60, 10}: "basic.qos", {60, 20}: "basic.consume", {60, 30}: "basic.cancel", {60, 70}: "basic.get", {60, 110}: "basic.recover",
	{85, 10}: "confirm.select", {90, 10}: "tx.select", {90, 20}: "tx.commit", {90, 30}: "tx.rollback",
}

// IsAMQP says whether a request of that kind belongs to a connection of AMQP 0-9-1.
func IsAMQP(kind string) bool { return amqpKinds[kind] }

var amqpKinds = func() map[string]bool {
	all := map[string]bool{kindPublish: true, kindDeliver: true}
	for _, kind := range amqpCalls {
		all[kind] = true
	}
	return all
}()

const kindPublish, kindDeliver = "publish", "deliver"

// amqpAnswers are the answers to amqpCalls. That of exchange.unbind, 40.40, is 40.51, and neither is read.
var amqpAnswers = func() map[amqpMethod]bool {
	all := map[amqpMethod]bool{basicGetEmpty: true}
	for m := range amqpCalls {
		all[amqpMethod{m.class, m.number + 1}] = true
	}
	return all
}()

// confirmed is the status of a publish that the broker confirmed.
const confirmed = "confirmed"

// client takes a method of the client.
func (a *amqpReader) client(n uint16, c *amqpChannel, m amqpMethod, args []byte) error {
	switch m {
	case basicPublish:
		return a.publishes(c, args)
	case basicAck, basicNack, basicReject:
		tag, bits, err := tagged(args)
		status := "ack"
		if m != basicAck {
			status = "nack"
		}
		a.confirm(c, c.deliveries, tag, m != basicReject && bits&1 != 0, status)
		return err
	case connectionClose, connectionCloseOk:
		a.abandon()
		return nil
	case channelCloseOk:
		a.close(n)
		return nil
	case confirmSelect:
		c.confirms = true
	case basicConsume:
		if err := c.consumes(args, unanswered(m, args)); err != nil {
			return err
		}
	}
	kind, ok := amqpCalls[m]
	if !ok || unanswered(m, args) {
		return nil
	}
	x, err := a.begin(kind)
	if err == nil {
		c.calls = append(c.calls, x)
	}
	return err
}

// noWait is where a method has its bit no-wait: behind some bytes and some names.
var noWait = map[amqpMethod]struct {
	skip, names int
	bit         byte
}{
	{40, 10}: {2, 2, 1 << 4}, {40, 20}: {2, 1, 1 << 1}, {40, 30}: {2, 3, 1}, {50, 10}: {2, 1, 1 << 4}, {50, 20}: {2, 3, 1}, {50, 30}: {2, 1, 1},
	{50, 40}: {2, 1, 1 << 2}, basicConsume: {2, 2, 1 << 3}, {60, 30}: {0, 1, 1}, confirmSelect: {0, 0, 1},
}

// unanswered reports whether a method asks for no answer.
func unanswered(m amqpMethod, args []byte) bool {
	place, ok := noWait[m]
	if !ok || len(args) < place.skip {
		return false
	}
	rest := args[place.skip:]
	for range place.names {
		var err error
		if _, rest, err = shortString(rest); err != nil {
			return false
		}
	}
	return len(rest) > 0 && rest[0]&place.bit != 0
}

// mostConsumers bounds the consumers of a channel that are told apart. Deliveries to others are awaited as if they were acknowledged.
const mostConsumers = 1 << 10

// consumes notes whether a consumer acknowledges. The tag of one without a tag of its own is in the broker's answer.
func (c *amqpChannel) consumes(args []byte, unanswered bool) error {
	if len(args) < 2 {
		return errAMQP
	}
	_, rest, err := shortString(args[2:])
	if err != nil {
		return err
	}
	tag, rest, err := shortString(rest)
	if err != nil || len(rest) == 0 {
		return errAMQP
	}
	const noAck = 1 << 1
	silent := rest[0]&noAck != 0
	switch {
	case unanswered:
		c.names(tag, silent)
	case len(c.consuming) < mostConsumers:
		c.consuming = append(c.consuming, silent)
	}
	return nil
}

// consumed takes the broker's answer to the oldest basic.consume.
func (c *amqpChannel) consumed(args []byte) error {
	tag, _, err := shortString(args)
	if err == nil && len(c.consuming) > 0 {
		c.names(tag, c.consuming[0])
		c.consuming = c.consuming[1:]
	}
	return err
}

// names notes whether the consumer of a tag acknowledges.
func (c *amqpChannel) names(tag []byte, silent bool) {
	if silent && len(c.noAck) < mostConsumers {
		c.noAck[string(tag)] = true
	} else {
		delete(c.noAck, string(tag))
	}
}

// broker takes a method of the broker.
func (a *amqpReader) broker(n uint16, c *amqpChannel, m amqpMethod, args []byte) error {
	switch m {
	case basicDeliver:
		tag, args, err := shortString(args)
		if err != nil {
			return err
		}
		number, _, err := tagged(args)
		if err != nil {
			return err
		}
		return a.delivered(c, number, c.noAck[string(tag)])
	case basicReturn:
		return a.returns(c, args)
	case basicConsumeOk:
		if err := c.consumed(args); err != nil {
			return err
		}
	case basicAck, basicNack:
		tag, bits, err := tagged(args)
		status := confirmed
		if m == basicNack {
			status = "nack"
		}
		a.confirm(c, c.publishes, tag, bits&1 != 0, status)
		return err
	case channelClose:
		a.refused(c, replyStatus(args))
		return nil
	case connectionClose:
		for _, each := range a.channels {
			a.refused(each, replyStatus(args))
		}
		return nil
	}
	if !amqpAnswers[m] || len(c.calls) == 0 {
		return nil
	}
	first, status := c.calls[0], "ok"
	c.calls = c.calls[:copy(c.calls, c.calls[1:])]
	switch m {
	case basicGetEmpty:
		status = "ok, no message"
	case channelCloseOk:
		defer a.close(n)
	}
	a.settle(c, first, status)
	return nil
}

// delivered takes a delivery to a consumer. It counts as a request of the link, although it goes the other way.
func (a *amqpReader) delivered(c *amqpChannel, tag uint64, noAck bool) error {
	silent := noAck || c.deliveries[tag] != nil
	x, err := a.message(kindDeliver)
	if err != nil {
		return err
	}
	x.Delivery = true
	if err = a.carries(x, &c.down, silent); err == nil && !silent {
		c.deliveries[tag] = x
	}
	return err
}

// refused answers what is awaited on a channel that the broker closes: the oldest call, or else the publishes, with its reason.
func (a *amqpReader) refused(c *amqpChannel, status string) {
	if len(c.calls) > 0 {
		a.settle(c, c.calls[0], status)
		c.calls = c.calls[1:]
		return
	}
	a.confirm(c, c.publishes, 0, true, status)
}
