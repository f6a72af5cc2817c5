package locales

import (
	"strings"
	"testing"
)

// TestNotification: the texts of every rule, with the plural forms of each language.
func TestNotification(t *testing.T) {
	t.Parallel()
	b := load(t, "")
	data := map[string]string{"course": "Go", "search": "go", "instructor": "Ada Obi", "file": "f.csv"}
	for _, tt := range []struct {
		rule  string
		count int
		want  map[Tag]string // title and body
	}{
		{"course_changed", 0, map[Tag]string{
			English: "Go|This course, which you are taking, has changed. See what is new.",
			French:  "Go|Ce cours, que vous suivez, a changé. Découvrez les nouveautés.",
			Chinese: "Go|您正在学习的这门课程有变动，请查看更新内容。",
		}},
		{"search_match", 1, map[Tag]string{
			English: "1 new course for “go”|“Go” matches your saved search.",
			French:  "1 nouveau cours pour « go »|« Go » correspond à votre recherche enregistrée.",
			Chinese: "“go”有 1 门新课程|新课程“Go”符合您保存的搜索。",
		}},
		{"search_match", 1200, map[Tag]string{
			English: "1,200 new courses for “go”|“Go” and others match your saved search.",
			French:  "1 200 nouveaux cours pour « go »|« Go » et d’autres cours correspondent à votre recherche enregistrée.",
			Chinese: "“go”有 1,200 门新课程|“Go”等新课程符合您保存的搜索。",
		}},
		{"instructor_course", 0, map[Tag]string{
			English: "New from Ada Obi|Ada Obi, whose course you know, teaches another one: “Go”.",
			French:  "Nouveau cours : Ada Obi|Ada Obi, dont vous connaissez un cours, en propose un autre : « Go ».",
			Chinese: "Ada Obi的新课程|您上过Ada Obi的课程，现在又有一门新课：“Go”。",
		}},
		{"import_finished", 0, map[Tag]string{
			English: "Import finished: f.csv|0 rows were rejected.",
			French:  "Import terminé : f.csv|0 ligne a été rejetée.",
			Chinese: "导入完成：f.csv|有 0 行被拒绝。",
		}},
		{"import_finished", 1, map[Tag]string{
			English: "Import finished: f.csv|1 row was rejected.",
			French:  "Import terminé : f.csv|1 ligne a été rejetée.",
			Chinese: "导入完成：f.csv|有 1 行被拒绝。",
		}},
	} {
		for _, tag := range Tags {
			title, body := b.Printer(tag).Notification(tt.rule, tt.count, data)
			got := strings.NewReplacer("\u202f", " ", "\u00a0", " ").Replace(title + "|" + body)
			if got != tt.want[tag] {
				t.Errorf("%s, %s, %d: %q, want %q", tag, tt.rule, tt.count, got, tt.want[tag])
			}
		}
	}
	if title, body := b.Printer(French).Notification("search_match", 2, nil); strings.Contains(title+body, "<no value>") {
		t.Errorf("there are holes in %q and %q", title, body)
	}
}
