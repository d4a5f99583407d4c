package faults

import (
	"fmt"
	"strconv"
	"strings"
)

// Share is a part of a whole as a scenario writes it: 30% or 0.3. 0: not given.
type Share float64

// UnmarshalText reads 30% or 0.3, above 0 and at most 100%.
func (s *Share) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		value /= 100
	}
	if err != nil || !(value > 0 && value <= 1) {
		return fmt.Errorf("%q is no share: write 30%% or 0.3, more than 0 and at most 100%%", text)
	}
	*s = Share(value)
	return nil
}

// String formats the share in percent.
func (s Share) String() string { return strconv.FormatFloat(float64(s)*100, 'g', 6, 64) + "%" }

// Draws says whether the n-th of many things belongs to the share. It is a pure function of its arguments, even over n (the
// output function of SplitMix64: Steele, Lea and Flood, OOPSLA 2014). A share of 0 is the whole.
func (s Share) Draws(seed, n uint64) bool {
	if s == 0 || s >= 1 {
		return true
	}
	z := seed + (n+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return float64(z>>11)/(1<<53) < float64(s)
}
