package rest

import (
	"io"
	"log"
	"testing"

	"go.uber.org/goleak"

	"wringer/drivers/drivertest/tier"
)

func TestMain(m *testing.M) {
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(m)
}

var discardLog = log.New(io.Discard, "", 0)
