package kafka

import (
	"log"
	"os"
	"testing"

	"github.com/IBM/sarama"
)

func TestTimes(t *testing.T) {
	sarama.Logger = log.New(os.Stderr, "", log.Lmicroseconds)
	TestConformance(t)
}
