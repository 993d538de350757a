package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

const (
	role    = "bench/role"
	at      = "bench/at"
	digest  = "bench/digest"
	writer  = "bench/writer"
	derived = "-derived"
)

type work struct {
	options
	meter    *meter
	progress *progress
	client   client.Client
	queue    workqueue.TypedRateLimitingInterface[reconcile.Request]
}

func (w *work) primary() client.Object {
	switch w.workload {
	case "steady", "storm":
		return &Widget{}
	case "sync", "idle":
		return &corev1.Pod{}
	}
	return &corev1.ConfigMap{}
}

func (w *work) list() client.ObjectList {
	switch w.workload {
	case "steady", "storm":
		return &WidgetList{}
	case "sync", "idle":
		return &corev1.PodList{}
	}
	return &corev1.ConfigMapList{}
}

func (w *work) setUp(m manager.Manager) error {
	isPrimary := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetLabels()[role] == "primary" })
	build := ctrl.NewControllerManagedBy(m).Named("bench").
		For(w.primary(), builder.WithPredicates(isPrimary, w.counting())).
		WithOptions(controller.Options{MaxConcurrentReconciles: w.workers}).
		WatchesRawSource(source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
			w.queue = queue
			return nil
		}))
	if w.workload == "bulk" || w.workload == "noop" {
		return build.Owns(&corev1.ConfigMap{}).Complete(reconcile.Func(w.bulk))
	}
	if w.workload == "lead" {
		if err := m.Add(manager.RunnableFunc(w.lead)); err != nil {
			return err
		}
	}
	return build.Complete(reconcile.Func(w.look))
}

// counting counts the events that the informer's handler sees, and keeps them all.
func (w *work) counting() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { w.meter.count("ADDED"); return true },
		UpdateFunc: func(event.UpdateEvent) bool { w.meter.count("MODIFIED"); return true },
		DeleteFunc: func(event.DeleteEvent) bool { w.meter.count("DELETED"); return true },
	}
}

// bulk keeps an owned ConfigMap and an annotation for each primary; without anything to do it is the no-op workload.
func (w *work) bulk(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	w.meter.count("reconciles")
	var primary corev1.ConfigMap
	if err := w.client.Get(ctx, request.NamespacedName, &primary); err != nil || primary.Labels[role] != "primary" {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	sum := sha256.Sum256([]byte(primary.Data["payload"]))
	text := hex.EncodeToString(sum[:])
	key := types.NamespacedName{Namespace: request.Namespace, Name: request.Name + derived}
	var owned corev1.ConfigMap
	switch err := w.client.Get(ctx, key, &owned); {
	case apierrors.IsNotFound(err):
		owned = corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{role: "derived"}},
			Data:       map[string]string{"digest": text},
		}
		if err := ctrl.SetControllerReference(&primary, &owned, w.client.Scheme()); err != nil {
			return reconcile.Result{}, err
		}
		if err := w.client.Create(ctx, &owned); err != nil {
			return reconcile.Result{}, err
		}
	case err != nil:
		return reconcile.Result{}, err
	case owned.Data["digest"] != text:
		w.meter.count("differences")
	}
	if primary.Annotations[digest] != text {
		patch, _ := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{digest: text}}})
		if err := w.client.Patch(ctx, &primary, client.RawPatch(types.MergePatchType, patch)); err != nil {
			return reconcile.Result{}, err
		}
	}
	w.progress.add(request)
	return reconcile.Result{}, nil
}

// look reads the object, notes how long ago it changed, writes nothing.
func (w *work) look(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	now := seconds(time.Now())
	w.meter.count("reconciles")
	object := w.primary()
	if err := w.client.Get(ctx, request.NamespacedName, object); err == nil {
		changed, _ := strconv.ParseFloat(object.GetAnnotations()[at], 64)
		w.meter.latency(now - changed)
	}
	w.progress.add(request)
	return reconcile.Result{}, nil
}

// lead writes under our own name ten times a second, for as long as we lead.
func (w *work) lead(ctx context.Context) error {
	patch, _ := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{writer: w.name}}})
	for ctx.Err() == nil {
		target := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "object-000000"}}
		if err := w.client.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)); err != nil && ctx.Err() == nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

// resync queues every primary object again.
func (w *work) resync(ctx context.Context) error {
	list := w.list()
	if err := w.client.List(ctx, list, client.MatchingLabels{role: "primary"}); err != nil {
		return err
	}
	for i := range list.(*corev1.ConfigMapList).Items {
		w.queue.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.(*corev1.ConfigMapList).Items[i])})
	}
	return nil
}

// state returns a digest of the names and versions in the cache, as the replay server computes it.
func (w *work) state(ctx context.Context) (string, int, error) {
	list := w.list()
	if err := w.client.List(ctx, list); err != nil {
		return "", 0, err
	}
	var lines []string
	note := func(o client.Object) {
		lines = append(lines, fmt.Sprintf("%s %s", o.GetName(), o.GetResourceVersion()))
	}
	switch l := list.(type) {
	case *WidgetList:
		for i := range l.Items {
			note(&l.Items[i])
		}
	case *corev1.PodList:
		for i := range l.Items {
			note(&l.Items[i])
		}
	case *corev1.ConfigMapList:
		for i := range l.Items {
			note(&l.Items[i])
		}
	}
	sort.Strings(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:]), len(lines), nil
}

// progress says when all primary objects have been seen to.
type progress struct {
	sync.Mutex
	wanted int
	seen   map[types.NamespacedName]struct{}
	all    chan struct{}
}

func newProgress(wanted int) *progress {
	p := &progress{wanted: wanted}
	p.restart()
	return p
}

func (p *progress) add(request reconcile.Request) {
	p.Lock()
	defer p.Unlock()
	before := len(p.seen)
	p.seen[request.NamespacedName] = struct{}{}
	if before < p.wanted && len(p.seen) == p.wanted {
		close(p.all)
	}
}

func (p *progress) complete() <-chan struct{} {
	p.Lock()
	defer p.Unlock()
	return p.all
}

func (p *progress) restart() {
	p.Lock()
	defer p.Unlock()
	p.seen, p.all = map[types.NamespacedName]struct{}{}, make(chan struct{})
}
