// The workloads of bench/peers/kaito_peer.py on controller-runtime. Orders come on stdin, JSON lines go to stdout.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

type options struct {
	server, kubeconfig, workload, namespace, name string
	objects, workers                              int
}

func main() {
	var o options
	flag.StringVar(&o.workload, "workload", "", "bulk, noop, steady, sync, idle, storm or lead")
	flag.StringVar(&o.server, "server", "", "the replay server's address")
	// controller-runtime has a flag --kubeconfig of its own in the same set.
	flag.IntVar(&o.objects, "objects", 1000, "primary objects to wait for")
	flag.IntVar(&o.workers, "workers", 10, "reconciles at a time")
	flag.StringVar(&o.namespace, "namespace", "default", "the only namespace cached, on a real server")
	flag.StringVar(&o.name, "name", "bench", "of the writer")
	flag.Parse()
	o.kubeconfig = flag.Lookup("kubeconfig").Value.String()
	ctrl.SetLogger(zap.New())
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench peer:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	config, err := connection(o)
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	addWidget(scheme)
	cacheOptions := cache.Options{DefaultTransform: cache.TransformStripManagedFields()}
	if o.kubeconfig != "" {
		cacheOptions.DefaultNamespaces = map[string]cache.Config{o.namespace: {}}
	}
	elect := o.workload == "idle" || o.workload == "lead"
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                  scheme,
		Cache:                   cacheOptions,
		Metrics:                 metricsserver.Options{BindAddress: "127.0.0.1:0"},
		LeaderElection:          elect,
		LeaderElectionID:        "bench-go",
		LeaderElectionNamespace: "default",
	})
	if err != nil {
		return err
	}
	w := &work{options: o, meter: newMeter(), progress: newProgress(o.objects), client: manager.GetClient()}
	if err := w.setUp(manager); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctrl.SetupSignalHandler())
	defer stop()
	orders := make(chan string, 8)
	go read(orders)
	if o.workload == "sync" {
		say("ready", w.meter.started())
		wait(orders, "begin")
		w.meter.begin()
	}
	failed := make(chan error, 1)
	go func() { failed <- manager.Start(ctx) }()
	done := make(chan error, 1)
	go func() { done <- w.measure(ctx, manager.GetCache(), orders) }()
	select {
	case err = <-failed:
		return err
	case err = <-done:
		stop()
		<-failed
		return err
	}
}

func connection(o options) (*rest.Config, error) {
	config := &rest.Config{Host: o.server}
	if o.kubeconfig != "" {
		var err error
		if config, err = clientcmd.BuildConfigFromFlags("", o.kubeconfig); err != nil {
			return nil, err
		}
	} else {
		config.ContentType = runtime.ContentTypeJSON // the replay server speaks nothing else
	}
	config.QPS, config.Burst = -1, -1
	config.UserAgent = "bench-go"
	return config, nil
}

// measure says when we are ready and done, and at last what was measured.
func (w *work) measure(ctx context.Context, reader cache.Cache, orders chan string) error {
	var measured map[string]any
	if w.workload == "sync" {
		<-w.progress.complete()
		say("done", seconds(time.Now()))
		measured = w.meter.report()
	} else {
		if !reader.WaitForCacheSync(ctx) {
			return fmt.Errorf("the caches did not fill")
		}
		if w.workload != "bulk" && w.workload != "lead" {
			<-w.progress.complete()
		}
		say("ready", w.meter.started())
		wait(orders, "begin")
		w.meter.begin()
		if w.workload == "noop" {
			w.progress.restart()
			if err := w.resync(ctx); err != nil {
				return err
			}
		}
		if w.workload == "noop" || w.workload == "bulk" {
			<-w.progress.complete()
			say("done", seconds(time.Now()))
		}
		if w.workload == "noop" {
			measured = w.meter.report()
		}
	}
	wait(orders, "end")
	if measured == nil {
		measured = w.meter.report()
	}
	state, objects, err := w.state(ctx)
	if err != nil {
		return err
	}
	line, err := json.Marshal(map[string]any{"result": measured, "state": state, "objects": objects})
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	return nil
}

func read(orders chan<- string) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		orders <- lines.Text()
	}
	orders <- "end"
}

func wait(orders <-chan string, order string) {
	for got := range orders {
		if got == order || got == "end" {
			return
		}
	}
}

func say(what string, value any) {
	line, _ := json.Marshal(map[string]any{what: value})
	fmt.Println(string(line))
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
