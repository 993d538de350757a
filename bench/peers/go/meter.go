package main

import (
	"os"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// meter measures CPU, memory, latencies and counts since begin; startUp is what came before.
type meter struct {
	sync.Mutex
	counts    map[string]int
	latencies []float64
	startUp   map[string]float64
	begun     time.Time
	cpu       float64
	rss       float64
}

func newMeter() *meter { return &meter{counts: map[string]int{}, begun: time.Now()} }

func (m *meter) count(what string) {
	m.Lock()
	m.counts[what]++
	m.Unlock()
}

func (m *meter) latency(seconds float64) {
	m.Lock()
	m.latencies = append(m.latencies, seconds)
	m.Unlock()
}

func (m *meter) started() map[string]float64 {
	m.startUp = map[string]float64{"cpu_seconds": cpuSeconds(), "rss_mib": resident("VmRSS")}
	return m.startUp
}

func (m *meter) begin() {
	m.Lock()
	defer m.Unlock()
	m.counts, m.latencies = map[string]int{}, nil
	m.begun, m.cpu, m.rss = time.Now(), cpuSeconds(), resident("VmRSS")
}

func (m *meter) report() map[string]any {
	cpu, now, most := cpuSeconds(), resident("VmRSS"), resident("VmHWM")
	m.Lock()
	defer m.Unlock()
	wall := time.Since(m.begun).Seconds()
	sort.Float64s(m.latencies)
	debug.FreeOSMemory() // collects first
	return map[string]any{
		"start_up":     m.startUp,
		"cpu_seconds":  cpu - m.cpu,
		"wall_seconds": wall,
		"rss_mib":      map[string]float64{"before": m.rss, "max": most, "now": now, "after_gc": resident("VmRSS")},
		"latency_ms":   quantiles(m.latencies),
		"counts":       m.counts,
	}
}

func quantiles(ordered []float64) map[string]float64 {
	if len(ordered) == 0 {
		return map[string]float64{}
	}
	last := len(ordered) - 1
	return map[string]float64{
		"p50": ordered[last/2] * 1000, "p99": ordered[int(float64(last)*0.99)] * 1000, "max": ordered[last] * 1000,
	}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	of := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return of(usage.Utime) + of(usage.Stime)
}

// resident returns a field of /proc/self/status that is in KiB, in MiB.
func resident(field string) float64 {
	text, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(text), "\n") {
		if value, found := strings.CutPrefix(line, field+":"); found {
			kib, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kib / 1024
		}
	}
	return 0
}
