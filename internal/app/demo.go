package app

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/simulate"
)

// Demo plays a simulated company through a running App: the roster, the weeks
// before, then one day with planted incidents.
type Demo struct {
	App     *App
	Company *simulate.Company
	// Speed is how many seconds of the day pass in one; without bound if zero.
	Speed float64
	// For is how much of the day is played.
	For time.Duration
	// Began is when the demo was started.
	Began time.Time
	// Say is told what happens, one line each.
	Say func(format string, args ...any)

	played atomic.Int64 // the play's time, in nanoseconds since 1970

	mu     sync.Mutex           // guards what is below
	poured map[string]time.Time // when each event of the day was handed over, by id
	alerts []simulate.Alert
	delays map[string]time.Duration // by alert id: from the last event handed over to the message
}

// Clock is the time in the play: that of the last record handed over.
func (d *Demo) Clock() time.Time {
	return time.Unix(0, max(d.played.Load(), d.Company.Start().AddDate(0, -1, 0).UnixNano()))
}

// DemoResult is how the demo went.
type DemoResult struct {
	simulate.Result
	// Names are the people's, by their ids.
	Names map[string]string
	// Delays are the times from when the event that completed a finding was handed
	// over to when its alert was sent, by alert id.
	Delays map[string]time.Duration
	// History and Played count the events; Loading is how long the history took
	// from its first line to the last stored row.
	History, Played int64
	Loading         time.Duration
	Rejected        int64
	// FirstAlert is the time from Began to the first alert.
	FirstAlert time.Duration
}

// Sent is the hook that the App's OnSent is to call.
func (d *Demo) Sent(f alert.Finding, _ time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.delays == nil {
		d.delays = map[string]time.Duration{}
	}
	at := d.App.Now() // the notifier goes by the play's clock
	a := simulate.Alert{ID: f.ID, Rule: f.Rule.Name, Subject: f.Subject.Key, Time: at}
	var last time.Time
	for _, e := range f.Events {
		a.Events = append(a.Events, e.ID)
		if t := d.poured[e.ID]; t.After(last) {
			last = t
		}
	}
	d.alerts = append(d.alerts, a)
	if !last.IsZero() {
		d.delays[f.ID] = at.Sub(last)
	}
}

// Run plays the whole demo. The App's stages have to be running.
func (d *Demo) Run(ctx context.Context) (*DemoResult, error) {
	if err := d.App.PublishRoster(ctx, d.Company.Roster()); err != nil {
		return nil, err
	}
	if err := d.App.RosterHas(ctx, len(d.Company.Roster())); err != nil {
		return nil, err
	}
	res := &DemoResult{Names: map[string]string{}}
	for _, p := range d.Company.Roster() {
		res.Names[p.ID] = p.Name
	}
	if err := d.loadHistory(ctx, res); err != nil {
		return nil, err
	}
	if err := d.playToday(ctx, res); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	res.Result = simulate.Score(d.planted(), d.alerts)
	res.Delays = d.delays
	if len(d.alerts) > 0 {
		first := slices.MinFunc(d.alerts, func(a, b simulate.Alert) int { return a.Time.Compare(b.Time) })
		res.FirstAlert = first.Time.Sub(d.Began)
	}
	return res, nil
}

// planted lists the incidents that lie within the part of the day that is played.
func (d *Demo) planted() []simulate.Incident {
	end := d.Company.Start().Add(d.For)
	return slices.DeleteFunc(slices.Clone(d.Company.Incidents()), func(i simulate.Incident) bool { return i.Last.After(end) })
}

func (d *Demo) loadHistory(ctx context.Context, res *DemoResult) error {
	began := d.App.Now()
	err := d.pour(ctx, d.Company.History(), "history", &res.History, &res.Rejected)
	if err != nil {
		return err
	}
	if err := d.App.Drained(ctx); err != nil {
		return err
	}
	res.Loading = d.App.Now().Sub(began)
	d.Say("%d events of the weeks before are judged and stored: %.1f s, %.0f events/s", res.History, res.Loading.Seconds(), float64(res.History)/res.Loading.Seconds())
	return nil
}

func (d *Demo) playToday(ctx context.Context, res *DemoResult) error {
	end := d.Company.Start().Add(d.For)
	play := simulate.Replay{Clock: simulate.SystemClock{}, Start: d.Company.Start(), Speed: d.Speed}
	err := play.Play(ctx, until(d.Company.Today(), end), func(ctx context.Context, recs []simulate.Record) error {
		return d.pour(ctx, slices.Values(recs), "today", &res.Played, &res.Rejected)
	})
	if err != nil {
		return fmt.Errorf("play the day: %w", err)
	}
	return d.App.Drained(ctx)
}

func until(recs iter.Seq[simulate.Record], end time.Time) iter.Seq[simulate.Record] {
	return func(yield func(simulate.Record) bool) {
		for r := range recs {
			if r.At.After(end) || !yield(r) {
				return
			}
		}
	}
}

// pour takes records in as a file of their lines would be.
func (d *Demo) pour(ctx context.Context, recs iter.Seq[simulate.Record], name string, accepted, rejected *int64) error {
	r, w := io.Pipe()
	go func() {
		for rec := range recs {
			d.handOver(rec)
			if _, err := w.Write(append(rec.Line, '\n')); err != nil {
				return // the reader has gone, and says why itself
			}
		}
		_ = w.Close() // the end of the records; a pipe's Close does not fail
	}()
	defer r.Close()
	s, err := d.App.Pipeline.Ingest(ctx, r, name, 0, nil)
	if err != nil {
		return fmt.Errorf("take in %s: %w", name, err)
	}
	*accepted += s.Accepted
	*rejected += s.RejectedTotal()
	return nil
}

func (d *Demo) handOver(rec simulate.Record) {
	d.played.Store(rec.At.UnixNano())
	if rec.At.Before(d.Company.Start()) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.poured == nil {
		d.poured = map[string]time.Time{}
	}
	d.poured[rec.ID] = d.App.Now()
}

// Quantile is a quantile of the times from event to alert, 0 without alerts.
func (r *DemoResult) Quantile(q float64) time.Duration {
	delays := slices.Sorted(maps.Values(r.Delays))
	if len(delays) == 0 {
		return 0
	}
	return delays[min(int(q*float64(len(delays))), len(delays)-1)]
}
