// Command kvstats describes key=value pairs, one a line or one an argument.
//
//	vmstat-to-pairs | kvstats -prefix cpu.
//	kvstats -via callback a=1 b=2 c=4
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"example.com/kvstats"
)

func main() {
	via := flag.String("via", "columns", "how C gets the data: columns, counters (whole numbers only) or callback")
	prefix := flag.String("prefix", "", "describe only the keys that begin with this")
	flag.Parse()
	var input io.Reader = os.Stdin
	if flag.NArg() > 0 {
		input = strings.NewReader(strings.Join(flag.Args(), "\n"))
	}
	values, err := parse(input)
	if err == nil {
		err = describe(os.Stdout, *via, values, *prefix)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse(input io.Reader) (map[string]float64, error) {
	values := make(map[string]float64)
	lines := bufio.NewScanner(input)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		key, text, found := strings.Cut(line, "=")
		value, err := strconv.ParseFloat(text, 64)
		if !found || err != nil {
			return nil, fmt.Errorf("kvstats: %q is not key=number", line)
		}
		values[key] = value
	}
	return values, lines.Err()
}

func describe(out io.Writer, via string, values map[string]float64, prefix string) error {
	s, err := summarize(via, values, prefix)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "count %d\nsum %g\nmean %g\nvariance %g\nmin %g\np50 %g\np90 %g\nmax %g\n",
		s.Count, s.Sum, s.Mean, s.Variance, s.Min, s.P50, s.P90, s.Max)
	return err
}

func summarize(via string, values map[string]float64, prefix string) (kvstats.Summary, error) {
	switch via {
	case "columns":
		return kvstats.Summarize(values, prefix)
	case "callback":
		return kvstats.SummarizeFunc(kvstats.Each(values), prefix)
	case "counters":
		return count(values, prefix)
	}
	return kvstats.Summary{}, fmt.Errorf("kvstats: -via %s: want columns, counters or callback", via)
}

func count(values map[string]float64, prefix string) (kvstats.Summary, error) {
	counters, err := kvstats.NewCounters()
	if err != nil {
		return kvstats.Summary{}, err
	}
	defer counters.Close()
	for key, value := range values {
		if value != float64(int64(value)) {
			return kvstats.Summary{}, fmt.Errorf("kvstats: counters take whole numbers, not %g", value)
		}
		if err := counters.Add(key, int64(value)); err != nil {
			return kvstats.Summary{}, err
		}
	}
	return counters.Summarize(prefix)
}
