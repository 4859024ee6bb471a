package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// HandlerConfig is how a Handler works. What is zero is set to its default.
type HandlerConfig struct {
	// Token returns the bearer token that a request has to carry, "" for none. It
	// is asked for every request, so that a token can be changed while running.
	Token func() string
	// MaxBody bounds a body in bytes, before and after decompression; 32 MiB.
	MaxBody int64
	// Timeout bounds the reading of a request, and again the time that Kafka has
	// to take its events; 10 s.
	Timeout time.Duration
	// MaxInFlight bounds the requests that are worked on at once, each of which
	// may hold a few times MaxBody in memory; 8. Others are asked to come back.
	MaxInFlight int
}

func (c *HandlerConfig) setDefaults() {
	if c.Token == nil {
		c.Token = func() string { return "" }
	}
	if c.MaxBody <= 0 {
		c.MaxBody = 32 << 20
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.MaxInFlight <= 0 {
		c.MaxInFlight = 8
	}
}

// Handler takes events by POST, to be mounted at /v1/events: one JSON object,
// an array of them, or one per line, native or of a CRM. It answers 200 only
// when Kafka has all of them, and names those that it rejected.
type Handler struct {
	p     *Pipeline
	cfg   HandlerConfig
	slots chan struct{}

	accepted, rejected atomic.Int64
}

// NewHandler returns a handler over the pipeline.
func NewHandler(p *Pipeline, cfg HandlerConfig) *Handler {
	cfg.setDefaults()
	return &Handler{p: p, cfg: cfg, slots: make(chan struct{}, cfg.MaxInFlight)}
}

// Answer is the body of a 200, and part of that of a 422.
type Answer struct {
	Accepted int64 `json:"accepted"`
	// RejectedCount is the number of rejected records, and Rejected the first
	// maxRefused of them.
	RejectedCount int64     `json:"rejected_count"`
	Rejected      []Refused `json:"rejected"`
}

// Refused is one rejected record.
type Refused struct {
	Line   int64  `json:"line"`   // where it begins, from 1
	Record int64  `json:"record"` // which record of the body it is, from 1
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

const maxRefused = 1000

// String is the rejection for people, to be put behind the name of the input:
// `line 3, field "rows": the number is negative`.
func (r Refused) String() string {
	if r.Field == "" {
		return fmt.Sprintf("line %d: %s", r.Line, r.Detail)
	}
	return fmt.Sprintf("line %d, field %q: %s", r.Line, r.Field, r.Detail)
}

// problem is an answer that is not a 200, by RFC 9457.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	*Answer
	retryAfter int // seconds, 0 for none
}

func refuse(status int, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

func busy(detail string, seconds int) *problem {
	p := refuse(http.StatusServiceUnavailable, detail)
	p.retryAfter = seconds
	return p
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, prob := h.serve(w, r)
	status, kind := http.StatusOK, "application/json"
	var body any = answer
	if prob != nil {
		status, kind, body = prob.Status, "application/problem+json", prob
		if prob.retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(prob.retryAfter))
		}
	}
	h.p.metrics.requests.WithLabelValues(strconv.Itoa(status)).Inc()
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		h.p.deps.Logger.Debug("answering a request failed", "err", err)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (*Answer, *problem) {
	if prob := h.check(w, r); prob != nil {
		return nil, prob
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		return nil, busy("too many requests are being worked on; send it again", 1)
	}
	// A server that cannot set the deadline has its own.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.cfg.Timeout))
	body, prob := h.body(w, r)
	if prob != nil {
		return nil, prob
	}
	return h.ingest(r.Context(), body)
}

// check looks at everything but the body.
func (h *Handler) check(w http.ResponseWriter, r *http.Request) *problem {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return refuse(http.StatusMethodNotAllowed, "events are sent by POST")
	}
	if !Authorized(r.Header.Get("Authorization"), h.cfg.Token()) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="crmwatch"`)
		return refuse(http.StatusUnauthorized, "the request has to carry the configured bearer token")
	}
	if !isJSONType(r.Header.Get("Content-Type")) {
		return refuse(http.StatusUnsupportedMediaType, "the content type has to be application/json or application/x-ndjson, in UTF-8")
	}
	switch r.Header.Get("Content-Encoding") {
	case "", "identity", "gzip":
	default:
		return refuse(http.StatusUnsupportedMediaType, "the content encoding has to be gzip or none")
	}
	if r.ContentLength > h.cfg.MaxBody {
		return h.tooLarge()
	}
	return nil
}

// Authorized reports whether an Authorization header shows the bearer token; any
// does where there is no token. It compares in constant time, whatever the lengths
// are.
func Authorized(header, token string) bool {
	if token == "" {
		return true
	}
	scheme, got, _ := strings.Cut(header, " ")
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

func isJSONType(header string) bool {
	kind, params, err := mime.ParseMediaType(header)
	if err != nil || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return false
	}
	switch kind {
	case "application/json", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return true
	}
	return false
}

func (h *Handler) tooLarge() *problem {
	return refuse(http.StatusRequestEntityTooLarge,
		fmt.Sprintf("the body may have %d bytes, also when it is decompressed; send the events in several requests", h.cfg.MaxBody))
}

// body reads the whole body before anything is ingested, so that a request is
// refused as a whole or not at all.
func (h *Handler) body(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	var in io.Reader = http.MaxBytesReader(w, r.Body, h.cfg.MaxBody)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, h.unreadable(err)
		}
		in = unzipped
	}
	body, err := io.ReadAll(io.LimitReader(in, h.cfg.MaxBody+1))
	if err != nil {
		return nil, h.unreadable(err)
	}
	if int64(len(body)) > h.cfg.MaxBody {
		return nil, h.tooLarge()
	}
	return body, nil
}

func (h *Handler) unreadable(err error) *problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return h.tooLarge()
	}
	return refuse(http.StatusBadRequest, "the body could not be read to its end, or is not the gzip it claims to be")
}

func (h *Handler) ingest(ctx context.Context, body []byte) (*Answer, *problem) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Timeout)
	defer cancel()
	body = bytes.TrimPrefix(body, bom)
	reader := newJSONReader(bytes.NewReader(body), h.p.deps.Formats, isDocument(body))
	s, err := h.p.run(ctx, reader, h.p.newBatch("http", maxRefused), func(*Summary) {})
	h.accepted.Add(s.Accepted)
	h.rejected.Add(s.RejectedTotal())
	if err != nil {
		h.p.deps.Logger.Warn("taking events by http failed", "err", err)
		return nil, busy("the events could not be made durable in time; send all of them again, which does no harm", 5)
	}
	answer := &Answer{Accepted: s.Accepted, RejectedCount: s.RejectedTotal(), Rejected: s.First}
	return answer.judge()
}

func (a *Answer) judge() (*Answer, *problem) {
	if a.Rejected == nil {
		a.Rejected = []Refused{}
	}
	switch {
	case a.Accepted > 0:
		return a, nil
	case a.RejectedCount == 0:
		return nil, refuse(http.StatusBadRequest, "the body holds no event")
	}
	prob := refuse(http.StatusUnprocessableEntity, "none of the records is an event that can be used")
	prob.Answer = a
	return nil, prob
}

// Report logs how many events came, and how fast, as long as some do, until the
// context ends.
func (h *Handler) Report(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var before int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		accepted := h.accepted.Load()
		if n := accepted - before; n > 0 {
			h.p.deps.Logger.Info("taking events by http", "rows", accepted,
				"rows_per_second", float64(n)/every.Seconds(), "rejected", h.rejected.Load())
		}
		before = accepted
	}
}
