package relevancetest

import (
	"math"
	"slices"

	"github.com/carrel-lms/carrel/catalog"
)

const (
	gainDepth   = 10 // nDCG@10
	recallDepth = 20 // recall@20: a page
)

// Score is how well one query, or the mean of many, was answered. Each number is between 0 and 1.
type Score struct {
	NDCG   float64 // of the first ten, with gains of 2^grade − 1
	MRR    float64 // 1 / the place of the first course worth finding
	Recall float64 // the part of the courses worth finding that is among the first twenty
}

// Judge scores the ids that a query found, best first.
func (q Query) Judge(found []catalog.CourseID) Score {
	ideal := make([]Grade, 0, len(q.Grades))
	for _, g := range q.Grades {
		ideal = append(ideal, g)
	}
	slices.SortFunc(ideal, func(a, b Grade) int { return int(b - a) })
	grades := make([]Grade, len(found))
	var s Score
	good := 0
	for i, id := range found[:min(len(found), recallDepth)] {
		if grades[i] = q.Grades[id]; grades[i] >= Good {
			good++
			s.MRR = max(s.MRR, 1/float64(i+1))
		}
	}
	s.NDCG = gain(grades) / gain(ideal)
	s.Recall = float64(good) / float64(q.Good())
	return s
}

// gain is the discounted cumulative gain of the first ten.
func gain(grades []Grade) float64 {
	sum := 0.0
	for i, g := range grades[:min(len(grades), gainDepth)] {
		sum += (math.Exp2(float64(g)) - 1) / math.Log2(float64(i+2))
	}
	return sum
}

// Mean returns the mean of scores; zero when there are none.
func Mean(scores []Score) Score {
	var m Score
	n := float64(max(len(scores), 1))
	for _, s := range scores {
		m.NDCG += s.NDCG / n
		m.MRR += s.MRR / n
		m.Recall += s.Recall / n
	}
	return m
}
