package kvstats

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

var load = map[string]float64{"cpu.user": 12, "cpu.system": 4, "cpu.idle": 80, "cpu.wait": 4, "mem.free": 1024}

var wantCPU = Summary{Count: 4, Sum: 100, Mean: 25, Variance: 4076.0 / 3, Min: 4, P50: 8, P90: 59.6, Max: 80}

// ways are the three ways to hand C a map.
var ways = map[string]func(map[string]float64, string) (Summary, error){
	"columns":  Summarize,
	"counters": summarizeCounters,
	"callback": func(m map[string]float64, prefix string) (Summary, error) { return SummarizeFunc(Each(m), prefix) },
}

func summarizeCounters(m map[string]float64, prefix string) (Summary, error) {
	counters, err := NewCounters()
	if err != nil {
		return Summary{}, err
	}
	defer counters.Close()
	for key, value := range m {
		if err := counters.Add(key, int64(value)); err != nil {
			return Summary{}, err
		}
	}
	return counters.Summarize(prefix)
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b)) }

func TestEveryWayGivesTheSameSummary(t *testing.T) {
	for name, summarize := range ways {
		t.Run(name, func(t *testing.T) {
			got, err := summarize(load, "cpu.")
			if err != nil {
				t.Fatal(err)
			}
			if !near(got.Variance, wantCPU.Variance) || !near(got.P90, wantCPU.P90) {
				t.Errorf("got %+v, want %+v", got, wantCPU)
			}
			got.Variance, got.P90 = wantCPU.Variance, wantCPU.P90
			if got != wantCPU {
				t.Errorf("got %+v, want %+v", got, wantCPU)
			}
		})
	}
}

func TestNoSuchKeysIsAnError(t *testing.T) {
	for name, summarize := range ways {
		for _, m := range []map[string]float64{load, {}, nil} {
			if _, err := summarize(m, "disk."); !errors.Is(err, ErrEmpty) {
				t.Errorf("%s of %v: got %v, want ErrEmpty", name, m, err)
			}
		}
	}
}

func TestManyEntries(t *testing.T) {
	m := make(map[string]float64)
	for i := 0; i < 5_000; i++ {
		m[fmt.Sprintf("key%05d", i)] = float64(i)
	}
	for name, summarize := range ways {
		got, err := summarize(m, "key")
		if err != nil || got.Count != len(m) || got.P50 != 2499.5 {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestCountersAddUp(t *testing.T) {
	counters, err := NewCounters()
	if err != nil {
		t.Fatal(err)
	}
	defer counters.Close()
	for _, key := range []string{"b", "a", "b", "c", "b"} {
		if err := counters.Add(key, 2); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := counters.Summarize(""); err != nil || got.Count != 3 || got.Sum != 10 || got.Max != 6 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAKeyTooLongForCIsAnError(t *testing.T) {
	m := map[string]float64{strings.Repeat("k", 300): 1}
	if _, err := SummarizeFunc(Each(m), ""); !errors.Is(err, ErrKeyTooLong) {
		t.Errorf("got %v, want ErrKeyTooLong", err)
	}
	if got, err := Summarize(m, ""); err != nil || got.Count != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}
