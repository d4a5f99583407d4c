package amqp

import (
	"testing"

	"go.uber.org/goleak"

	"wringer/drivers/drivertest/rabbit"
	"wringer/drivers/drivertest/tier"
)

func TestMain(m *testing.M) {
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(rabbit.Shared(m))
}
