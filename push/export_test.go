package push

import "time"

// Quick makes everything take milliseconds.
func Quick(cfg Config) Config {
	cfg.pace = &pace{
		published: 20 * time.Millisecond, publishedMost: 200 * time.Millisecond, changed: 20 * time.Millisecond, changedMost: 200 * time.Millisecond,
		rated: 20 * time.Millisecond, ratedMost: 200 * time.Millisecond,
		backoff: 4 * time.Millisecond, backoffMost: 100 * time.Millisecond, quota: 4 * time.Millisecond, halted: 50 * time.Millisecond,
		sending: 2 * time.Second, idle: 50 * time.Millisecond,
	}
	return cfg
}
