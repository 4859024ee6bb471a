package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// healthCmd is the health check of a container.
type healthCmd struct {
	URL     string        `help:"Where to ask." default:"http://127.0.0.1:9480/readyz"`
	Timeout time.Duration `help:"How long to wait for the answer." default:"3s"`
}

func (h healthCmd) Run() error {
	ctx, cancel := context.WithTimeout(context.Background(), h.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", h.URL, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", h.URL, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: not ready", h.URL, resp.Status)
	}
	return nil
}
