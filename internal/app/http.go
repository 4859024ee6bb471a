package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// stopWithin bounds how long a request that is under way may still take when the
// process is told to stop.
const stopWithin = 10 * time.Second

// reportEvery is how often a line says how many events come in over HTTP, and how
// fast, while some do.
const reportEvery = 10 * time.Second

// serve answers for events, metrics and health until ctx ends; requests under
// way are finished first.
func (a *App) serve(ctx context.Context) error {
	lc := net.ListenConfig{}
	l, err := lc.Listen(ctx, "tcp", a.cfg.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("listen for HTTP on %s: %w", a.cfg.HTTP.Listen, err)
	}
	a.Logger.Info("listening", "url", "http://"+l.Addr().String())
	var reports sync.WaitGroup
	defer reports.Wait()
	reporting, stopReports := context.WithCancel(ctx)
	defer stopReports()
	reports.Go(func() { a.events.Report(reporting, reportEvery) })
	srv := &http.Server{
		Handler: a.routes(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		return errors.Join(fmt.Errorf("stop HTTP: %w", err), srv.Close())
	}
	return nil
}

func (a *App) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /v1/events", a.whenReady(a.events))
	mux.Handle("GET /v1/rules", a.withToken(a.listRules))
	mux.Handle("POST /v1/rules/reload", a.withToken(a.reloadRules))
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.Registry, promhttp.HandlerOpts{Registry: a.Registry}))
	mux.Handle("GET /readyz", a.health)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	return mux
}

// whenReady refuses events until they can be joined to their people.
func (a *App) whenReady(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.health.Ready() {
			w.Header().Set("Retry-After", "2")
			http.Error(w, "crmwatch is starting; send again in a moment", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}
