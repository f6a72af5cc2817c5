package analysis

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"testing"
)

func TestDetect(t *testing.T) {
	tests := []struct{ text, want string }{
		{"Learn how to build web services with Go", "en"},
		{"The complete guide to machine learning", "en"},
		{"Introduction to Data Science for beginners", "en"},
		{"Introduction à la programmation en Python", "fr"},
		{"Apprendre l’électricité : les bases", "fr"},
		{"Découvrir l'apprentissage automatique", "fr"},
		{"BREVET PROFESSIONNEL D'AGRICULTURE ET D'ELEVAGE", "fr"},
		{"Formation en logistique avancée", "fr"},
		{"数据科学导论", "zh-Hans"},
		{"Python数据分析与machine learning实战", "zh-Hans"},
		{"數據科學導論", "zh-Hans"},
		{"A short history of the 故宫 palace and its art", "en"},
		{"Aprende Python desde cero: curso completo para los programadores", ""},
		{"Einführung in die Programmierung mit Java", ""},
		{"Curso de Excel: do básico ao avançado com dados", ""},
		{"データサイエンス入門", ""},
		{"Введение в машинное обучение", ""},
		{"Python 3", ""},
		{"2024", ""},
		{"", ""},
	}
	for _, tt := range tests {
		if got := Detect(tt.text); got != tt.want {
			t.Errorf("Detect(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

// TestDetectCatalogs counts on real catalogs how often the answer is another language: silence is no mistake there.
func TestDetectCatalogs(t *testing.T) {
	dir := os.Getenv("CARREL_TESTDATA")
	if dir == "" {
		dir = "../../../shared/data"
	}
	tests := []struct {
		file   string
		comma  rune
		column []int
		want   string
		right  float64 // at least this share is recognized
		wrong  float64 // at most this share is taken for another language
	}{
		{"icourse163_zh.csv", ',', []int{2}, "zh-Hans", 0.98, 0.01},
		{"coursera_skills.csv", ',', []int{1, 9}, "en", 0.95, 0.02},
		{"uiuc_2026_summer.csv", ',', []int{5, 6}, "en", 0.95, 0.01},
		{"udemy_courses.csv", ',', []int{1}, "en", 0.7, 0.01},
		{"formations_grand_est_fr.csv", ';', []int{0, 4}, "fr", 0.95, 0.01},
	}
	for _, tt := range tests {
		f, err := os.Open(filepath.Join(dir, "catalogs", tt.file))
		if err != nil {
			if os.Getenv("CARREL_REQUIRE") == "1" {
				t.Fatal(err)
			}
			t.Skipf("the real catalogs are not here (CARREL_TESTDATA): %v", err)
		}
		r := csv.NewReader(f)
		r.Comma, r.LazyQuotes, r.FieldsPerRecord = tt.comma, true, -1
		rows, err := r.ReadAll()
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		right, wrong := 0, 0
		for _, row := range rows[1:] {
			text := ""
			for _, c := range tt.column {
				if c < len(row) {
					text += row[c] + "\n"
				}
			}
			switch got := Detect(text); got {
			case tt.want:
				right++
			case "":
			default:
				wrong++
			}
		}
		n := float64(len(rows) - 1)
		t.Logf("%s: %.1f %% right, %.1f %% wrong of %d", tt.file, 100*float64(right)/n, 100*float64(wrong)/n, len(rows)-1)
		if float64(right)/n < tt.right || float64(wrong)/n > tt.wrong {
			t.Errorf("%s: %d right and %d wrong of %d", tt.file, right, wrong, len(rows)-1)
		}
	}
}
