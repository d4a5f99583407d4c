package scrape

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"

	"wringer/drivers"
)

// server is a Prometheus server that answers queries.
type server struct {
	get     *getter
	url     *url.URL
	queries map[string]string
	names   []string
}

// Read implements drivers.SeriesSource. The queries are asked one after the other.
func (s *server) Read(ctx context.Context) (map[string]drivers.SeriesReading, error) {
	ctx, cancel := s.get.within(ctx)
	defer cancel()
	all := make(map[string]drivers.SeriesReading, len(s.names))
	for _, name := range s.names {
		at := *s.url
		at.RawQuery = url.Values{"query": {s.queries[name]}}.Encode()
		body, _, err := s.get.get(ctx, &at, "application/json", true)
		if err != nil {
			return nil, err
		}
		if all[name], err = parseAnswer(body); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Close implements drivers.SeriesSource.
func (s *server) Close() error {
	s.get.close()
	return nil
}

// answer is what a server says to a query.
type answer struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
}

// sample is a moment and a value as a text: [1435781451.781, "1.5"].
type sample [2]any

// parseAnswer reads the answer to one query. A query that the server refuses leaves its own series without a value.
func parseAnswer(body []byte) (drivers.SeriesReading, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return drivers.SeriesReading{}, errors.New("the answer is no JSON of a Prometheus server")
	}
	if a.Status != "success" {
		return drivers.SeriesReading{Missing: fmt.Sprintf("the server refuses the query: %.200s", a.Error)}, nil
	}
	switch a.Data.ResultType {
	case "scalar":
		var one sample
		if err := json.Unmarshal(a.Data.Result, &one); err != nil {
			return drivers.SeriesReading{}, errors.New("the answer holds no scalar")
		}
		return sum(map[string]sample{"": one}), nil
	case "vector":
		var many []struct {
			Metric map[string]string `json:"metric"`
			Value  *sample           `json:"value"`
		}
		if err := json.Unmarshal(a.Data.Result, &many); err != nil {
			return drivers.SeriesReading{}, errors.New("the answer holds no vector")
		}
		if len(many) > mostMatches {
			return drivers.SeriesReading{Missing: fmt.Sprintf("more than %d time series match", mostMatches)}, nil
		}
		all := make(map[string]sample, len(many))
		for i, one := range many {
			if one.Value == nil {
				return drivers.SeriesReading{Missing: "the query gives a histogram, which is no value"}, nil
			}
			all[strconv.Itoa(i)] = *one.Value
		}
		return sum(all), nil
	}
	return drivers.SeriesReading{Missing: fmt.Sprintf("the query gives a %.20s, and no value for each moment", a.Data.ResultType)}, nil
}

// sum reads the values of samples.
func sum(all map[string]sample) drivers.SeriesReading {
	r := drivers.SeriesReading{Values: make(map[string]float64, len(all))}
	if len(all) == 0 {
		r.Missing, r.Absent = "the query gives nothing", true
	}
	for key, one := range all {
		text, _ := one[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			r.Missing = fmt.Sprintf("the query gives %.40q, which is no value", text)
			continue
		}
		r.Values[key] = v
	}
	return r
}
