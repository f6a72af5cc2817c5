package main

import (
	"context"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/files"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// named tells which files the courses name.
func named(c *catalog.Catalog) func(context.Context) (map[files.Sum]bool, error) {
	return func(ctx context.Context) (map[files.Sum]bool, error) {
		sums := map[files.Sum]bool{}
		for a, err := range c.HeldAssets(ctx) {
			if err != nil {
				return nil, err
			}
			if sum, ok := files.ParseSum(a.SHA256); ok {
				sums[sum] = true
			}
		}
		return sums, nil
	}
}

// lookAtFiles checks the files that courses name, each once.
func (v *verdict) lookAtFiles(ctx context.Context, c *catalog.Catalog, dir string, deep bool) error {
	v.Files.Hashed = deep
	var found coursesync.Findings
	seen := map[files.Sum]bool{}
	for a, err := range c.HeldAssets(ctx) {
		if err != nil {
			return err
		}
		sum, ok := files.ParseSum(a.SHA256)
		if !ok || seen[sum] {
			continue
		}
		seen[sum] = true
		v.Files.Count, v.Files.Bytes = v.Files.Count+1, v.Files.Bytes+a.Size
		if err := files.Check(dir, sum, a.Size, deep); err != nil {
			found.Add("%s, of the asset %s, %v", sum, a.Key, err)
		}
	}
	v.add(partFiles, fixFiles, found)
	return nil
}
