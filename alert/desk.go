package alert

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// desk is the work on one partition while it is ours. It belongs to the
// goroutine of its claim.
type desk struct {
	*Notifier
	claim stream.Claim
	sent  *ledger
	// waiting has the newest revision of every finding whose message is not due to
	// be edited yet, by id. Nothing behind the first of their records is committed,
	// so that after a crash they are read again.
	waiting map[string]update
	next    int64 // offset after the last record that was read
}

// update is a revision of a finding that has a message.
type update struct {
	finding Finding
	offset  int64
	due     time.Time // zero for at once
}

// read waits for records, but not longer than until a message is due to be
// edited: then there may be none.
func (d *desk) read(ctx context.Context) ([]stream.Record, error) {
	due, ok := d.soonest()
	if !ok {
		return d.claim.Next(ctx, d.cfg.Batch, gather)
	}
	until, cancel := context.WithTimeout(ctx, due.Sub(d.deps.Clock()))
	defer cancel()
	recs, err := d.claim.Next(until, d.cfg.Batch, gather)
	if err != nil && ctx.Err() == nil && until.Err() != nil {
		return nil, nil // a claim that was lost says so again at the next call
	}
	return recs, err
}

// soonest is when the next message is due to be edited.
func (d *desk) soonest() (due time.Time, ok bool) {
	for _, u := range d.waiting {
		if !ok || u.due.Before(due) {
			due, ok = u.due, true
		}
	}
	return due, ok
}

// pile is a batch, sorted by what is to be done.
type pile struct {
	fresh []Finding // get a message of their own
	old   []Finding // are too old for one
	quiet []entry   // are recorded only
}

// batch sends what the records say, edits what is due, and then commits.
func (d *desk) batch(ctx context.Context, recs []stream.Record) error {
	if len(recs) > 0 {
		d.next = recs[len(recs)-1].Offset + 1
	}
	d.show(len(recs))
	p, err := d.sort(ctx, recs)
	if err != nil {
		return err
	}
	// A message that nobody has seen comes before one that only changes.
	for i := range p.fresh {
		d.show(len(p.fresh) - i + len(p.old))
		if err := d.tell(ctx, &p.fresh[i]); err != nil {
			return err
		}
	}
	due := d.due()
	for i := range due {
		d.show(len(due) - i + len(p.old))
		if err := d.edit(ctx, &due[i]); err != nil {
			return err
		}
	}
	if err := d.digest(ctx, p.old); err != nil {
		return err
	}
	if err := d.record(ctx, "recording what is not shown", p.quiet...); err != nil {
		return err
	}
	if err := d.claim.Commit(ctx, d.done()); err != nil {
		return fmt.Errorf("commit alerts: %w", err)
	}
	d.show(0)
	return d.persist(ctx, "forgetting what was sent long ago", func() error { return d.sent.prune(ctx, d.deps.Clock()) })
}

// show tells how many findings wait for the sink: n in hand, and those behind
// them. An edit whose turn has not come waits by intention and is not among
// them, or every long burst would look like a sink that is stuck.
func (d *desk) show(n int) {
	d.metrics.waiting(d.claim.Partition(), d.claim.Lag()+int64(n))
}

// done is the offset before which nothing is left to do.
func (d *desk) done() int64 {
	next := d.next
	for _, u := range d.waiting {
		next = min(next, u.offset)
	}
	return next
}

// sort reads the records and decides what is to be done with each finding.
func (d *desk) sort(ctx context.Context, recs []stream.Record) (pile, error) {
	var p pile
	arrived, err := d.newest(ctx, recs)
	if err != nil {
		return p, err
	}
	for i := range arrived {
		f := &arrived[i].finding
		if err := d.succeed(ctx, f); err != nil {
			return p, err
		}
		shown, known := d.sent.sent[f.ID]
		switch {
		case known && f.Revision <= shown.Revision:
			d.metrics.repeats.Inc()
		case known && !shown.Unsent:
			d.amend(&p, shown, arrived[i])
		case f.State == Withdrawn:
			// Recorded, or an older revision that is delivered again would be sent.
			d.count(unsent)
			p.quiet = append(p.quiet, entry{f.ID, Receipt{Time: d.now(), Unsent: true}.of(f)})
		case !f.Detected.IsZero() && d.deps.Clock().Sub(f.Detected) > d.cfg.MaxAge:
			p.old = append(p.old, *f)
		default:
			p.fresh = append(p.fresh, *f)
		}
	}
	// The worst come first, because a sink may take a second for each.
	slices.SortStableFunc(p.fresh, func(a, b Finding) int { return b.Rule.Level.rank() - a.Rule.Level.rank() })
	return p, nil
}

// succeed lets a finding that replaces another take over its message, so that a
// late event that moves the beginning of a burst is no second alert. Whichever of
// the two comes first says so.
func (d *desk) succeed(ctx context.Context, f *Finding) error {
	var moves []entry
	move := func(from, to string) {
		shown, heir := d.sent.sent[from], d.sent.sent[to]
		if !shown.shows(d.deps.Sink.Name()) || heir.shows(d.deps.Sink.Name()) || heir.Digest != "" {
			return // nothing to take over, or each has its own
		}
		taken := shown
		taken.Revision = -1
		if _, known := d.sent.sent[to]; known {
			taken.Revision = heir.Revision
		}
		shown.MovedTo = to
		moves = append(moves, entry{to, taken}, entry{from, shown})
		if _, waits := d.waiting[from]; waits {
			d.count(superseded)
			delete(d.waiting, from)
		}
	}
	if f.State == Withdrawn && f.ReplacedBy != "" {
		move(f.ID, f.ReplacedBy)
	}
	for _, id := range f.Replaces {
		if len(moves) == 0 {
			move(id, f.ID)
		}
	}
	return d.record(ctx, "recording whose message one is now", moves...)
}

// newest reads the findings of the records, each in its newest revision.
func (d *desk) newest(ctx context.Context, recs []stream.Record) ([]update, error) {
	var all []update
	place := map[string]int{}
	for i := range recs {
		f, err := DecodeOCSF(recs[i].Value)
		if err != nil {
			if err := d.bury(ctx, &recs[i], err); err != nil {
				return nil, err
			}
			continue
		}
		j, again := place[f.ID]
		switch {
		case !again:
			place[f.ID] = len(all)
			all = append(all, update{finding: f, offset: recs[i].Offset})
		case f.Revision > all[j].finding.Revision:
			d.count(superseded)
			all[j] = update{finding: f, offset: recs[i].Offset}
		default:
			d.metrics.repeats.Inc()
		}
	}
	return all, nil
}

// amend takes a new revision of a finding that was sent.
func (d *desk) amend(p *pile, shown Receipt, u update) {
	f := &u.finding
	quiet := func(why string) {
		d.count(why)
		p.quiet = append(p.quiet, entry{f.ID, shown.of(f)})
	}
	before, waits := d.waiting[f.ID]
	switch {
	case shown.Digest != "":
		quiet(inDigest)
	case shown.MovedTo != "":
		quiet(superseded)
	case shown.Gone || shown.Sink != d.deps.Sink.Name(): // it was sent to another place, or nobody knows where
		quiet(tooLate)
	case waits && f.Revision <= before.finding.Revision:
		d.metrics.repeats.Inc()
	default:
		if waits {
			d.count(superseded)
		}
		u.due = d.turn(f, shown)
		d.waiting[f.ID] = u
	}
}

// turn is when the message may be edited: at once where the finding's state is
// another, else when it has stood for a while. A receipt from the future, of a
// clock that was wrong, does not put it off.
func (d *desk) turn(f *Finding, shown Receipt) time.Time {
	if f.State.known() != shown.State.known() {
		return time.Time{}
	}
	since := d.deps.Clock()
	if shown.Time.Before(since) {
		since = shown.Time
	}
	return since.Add(d.cfg.MinUpdate)
}

// due lists the revisions whose turn it is, the worst first. They stay among the
// waiting until edit is done with them.
func (d *desk) due() []update {
	var due []update
	now := d.deps.Clock()
	for _, u := range d.waiting {
		if !u.due.After(now) {
			due = append(due, u)
		}
	}
	slices.SortFunc(due, func(a, b update) int {
		return cmp.Or(b.finding.Rule.Level.rank()-a.finding.Rule.Level.rank(), cmp.Compare(a.offset, b.offset))
	})
	return due
}

// tell sends one finding in a message of its own.
func (d *desk) tell(ctx context.Context, f *Finding) error {
	receipt, err := d.deliver(ctx, NewMessage(f, d.cfg.ConsoleURL))
	if err != nil {
		return err
	}
	receipt = receipt.of(f)
	receipt.Told = Told{f.Count, f.Measured}
	if err := d.record(ctx, "recording a sent alert", entry{f.ID, receipt}); err != nil {
		return err
	}
	d.metrics.delivered(receipt.Sink, f, receipt.Time)
	if d.deps.OnSent != nil {
		d.deps.OnSent(*f, receipt.Time)
	}
	return nil
}

// edit makes a finding's message show its new revision. Where it cannot be
// edited any more that is recorded, and nothing is posted: the reader was told
// once, and the archive has the rest.
func (d *desk) edit(ctx context.Context, u *update) error {
	f, shown, result := &u.finding, d.sent.sent[u.finding.ID], edited
	m := NewUpdate(f, shown.Told, d.cfg.ConsoleURL)
	err := d.insist(ctx, m.ID, func() error { return d.deps.Sink.Update(ctx, shown.Ref, m) })
	switch {
	case gone(err):
		result, shown.Gone = tooLate, true
		d.deps.Logger.Warn("the message of an alert cannot be edited any more", "sink", shown.Sink, "alert", Plain(f.ID, maxName), "error", err)
	case err != nil:
		return err
	}
	shown.Time = d.now()
	if err := d.record(ctx, "recording an edited alert", entry{f.ID, shown.of(f)}); err != nil {
		return err
	}
	delete(d.waiting, f.ID)
	d.count(result)
	return nil
}

// digest sends the old findings in one message.
func (d *desk) digest(ctx context.Context, old []Finding) error {
	if len(old) == 0 {
		return nil
	}
	m := NewDigest(old, d.cfg.MaxAge, d.cfg.ConsoleURL)
	receipt, err := d.deliver(ctx, m)
	if err != nil {
		return err
	}
	receipt.Digest = m.ID
	entries := make([]entry, len(old))
	for i := range old {
		entries[i] = entry{old[i].ID, receipt.of(&old[i])}
	}
	if err := d.record(ctx, "recording a sent digest", entries...); err != nil {
		return err
	}
	d.metrics.digested.WithLabelValues(receipt.Sink).Add(float64(len(old)))
	for i := range old {
		if d.deps.OnSent != nil {
			d.deps.OnSent(old[i], receipt.Time)
		}
	}
	return nil
}

// record makes entries durable, and keeps at it until they are.
func (d *desk) record(ctx context.Context, doing string, entries ...entry) error {
	if len(entries) == 0 {
		return nil
	}
	return d.persist(ctx, doing, func() error { return d.sent.record(ctx, entries...) })
}

func (d *desk) count(result string) {
	d.metrics.updates.WithLabelValues(d.deps.Sink.Name(), result).Inc()
}
