package analysis

import (
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2/registry"
)

// Texts of about 100 words, of the kind that a course has.
var benchTexts = map[Lang]string{
	English: strings.Repeat("Learn how to build reliable web services with Go, from the first handler to a deployed system: routing, "+
		"testing, databases, and the tools that professional teams use every day in production. ", 4),
	French: strings.Repeat("Apprenez à construire des services web fiables avec Go, du premier gestionnaire jusqu’à l’exploitation : "+
		"routage, tests, bases de données et les outils que les équipes utilisent chaque jour. ", 4),
	Chinese: strings.Repeat("本课程介绍如何使用Go语言构建可靠的网络服务，从第一个处理程序到系统部署：路由、测试、数据库以及专业团队每天使用的工具。", 4),
}

func BenchmarkAnalyzer(b *testing.B) {
	cache := registry.NewCache()
	for _, l := range []Lang{English, French, Chinese} {
		a, err := cache.AnalyzerNamed(AnalyzerOf(l))
		if err != nil {
			b.Fatal(err)
		}
		text := []byte(benchTexts[l])
		b.Run(string(l), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				a.Analyze(text)
			}
		})
	}
}

func BenchmarkAppendAll(b *testing.B) {
	text := benchTexts[English]
	var buf []Token
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendAll(buf[:0], English, text)
	}
}

func BenchmarkWords(b *testing.B) {
	for b.Loop() {
		Words("apprentissage automatique Node.js 数据科学")
	}
}

func BenchmarkHighlight(b *testing.B) {
	text := benchTexts[English]
	sought := matching(English, "databases")
	for b.Loop() {
		Highlight(text, English, sought, 200)
	}
}

func BenchmarkDistance(b *testing.B) {
	for b.Loop() {
		Distance("apprentissage", "aprentisage", 2)
	}
}
