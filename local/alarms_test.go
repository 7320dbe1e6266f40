package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"aiwm-chat/shared/observe"
)

const operationsPage = "../shared/observe/README.md"

// An alarmMetric is what an alarm looks at, or the dashboard.
type alarmMetric struct {
	Namespace  string `yaml:"Namespace"`
	MetricName string `yaml:"MetricName"`
	Dimensions []struct {
		Name  string    `yaml:"Name"`
		Value yaml.Node `yaml:"Value"`
	} `yaml:"Dimensions"`
}

type alarm struct {
	alarmMetric       `yaml:",inline"`
	Description       string    `yaml:"AlarmDescription"`
	Actions           yaml.Node `yaml:"AlarmActions"`
	OKActions         yaml.Node `yaml:"OKActions"`
	Missing           string    `yaml:"TreatMissingData"`
	Statistic         string    `yaml:"Statistic"`
	ExtendedStatistic string    `yaml:"ExtendedStatistic"`
	Metrics           []struct {
		Expression string `yaml:"Expression"`
		MetricStat struct {
			Metric alarmMetric `yaml:"Metric"`
			Stat   string      `yaml:"Stat"`
		} `yaml:"MetricStat"`
	} `yaml:"Metrics"`
}

// looked are the metrics of an alarm.
func (a alarm) looked() (all []alarmMetric) {
	if a.MetricName != "" {
		all = append(all, a.alarmMetric)
	}
	for _, m := range a.Metrics {
		if m.MetricStat.Metric.MetricName != "" {
			all = append(all, m.MetricStat.Metric)
		}
	}
	return all
}

func readAlarms(t *testing.T) (document, map[string]alarm) {
	t.Helper()
	d := readDocument(t)
	alarms := map[string]alarm{}
	for id, r := range d.Resources {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		var a alarm
		if err := r.Properties.Decode(&a); err != nil {
			t.Fatal(id, err)
		}
		alarms[id] = a
	}
	if len(alarms) < 10 {
		t.Fatalf("found %d alarms: the test is broken", len(alarms))
	}
	return d, alarms
}

// ofServices are the metrics of AWS's own that are looked at, with their dimensions,
// as AWS documents them.
var ofServices = map[string]string{
	"AWS/Lambda Errors": "FunctionName", "AWS/Lambda Throttles": "", "AWS/SQS ApproximateAgeOfOldestMessage": "QueueName",
	"AWS/SQS ApproximateNumberOfMessagesVisible": "QueueName", "AWS/ElastiCache DatabaseMemoryUsagePercentage": "CacheClusterId",
}

// Each alarm looks at what there is: a metric that the functions tell, by its name and
// its dimensions, or one of AWS's of a resource of the template; and it says what to do,
// and when it is over.
func TestAlarmsLookAtWhatThereIs(t *testing.T) {
	document, alarms := readAlarms(t)
	counted := countedMetrics(t)
	for id, a := range alarms {
		looked := a.looked()
		if len(looked) == 0 || len(a.Description) < 60 || !strings.Contains(a.Description, ". ") && !strings.Contains(a.Description, ": ") || a.Missing == "" || a.Actions.Kind == 0 || a.OKActions.Kind == 0 {
			t.Errorf("%s is not whole: %+v", id, a)
		}
		for _, m := range looked {
			var names []string
			for _, d := range m.Dimensions {
				names = append(names, d.Name)
				resource, _, _ := strings.Cut(d.Value.Value, ".")
				if _, ok := document.Resources[resource]; !ok && (d.Name == "FunctionName" || d.Name == "QueueName") {
					t.Errorf("%s looks at %s, which is no resource", id, d.Value.Value)
				}
				if d.Name == observe.StackDimension && (d.Value.Tag != "!Ref" || d.Value.Value != "AWS::StackName") {
					t.Errorf("%s looks at another stack: %s %s", id, d.Value.Tag, d.Value.Value)
				}
			}
			dimensions := strings.Join(names, ",")
			if m.Namespace != observe.Namespace {
				if want, known := ofServices[m.Namespace+" "+m.MetricName]; !known || want != dimensions {
					t.Errorf("%s looks at %s %s by %q, which AWS does not have", id, m.Namespace, m.MetricName, dimensions)
				}
				continue
			}
			if !slices.Contains(seriesOf(m.MetricName), dimensions) || !counted[m.MetricName] {
				t.Errorf("%s looks at %s by %q, which no function tells", id, m.MetricName, dimensions)
			}
		}
	}
}

// seriesOf are the sets of dimensions that a metric is told by.
func seriesOf(metric string) (sets []string) {
	for _, d := range observe.Descriptions() {
		if d.Name != metric {
			continue
		}
		if d.Label == "" || d.Total {
			sets = append(sets, observe.StackDimension)
		}
		if d.Label != "" {
			sets = append(sets, observe.StackDimension+","+d.Label)
		}
	}
	return sets
}

// countedMetrics are those that code outside of observe counts, or observe itself
// while it is told of an error or a beginning.
func countedMetrics(t *testing.T) map[string]bool {
	t.Helper()
	counted := map[string]bool{}
	for _, root := range []string{"../shared", "../functions"} {
		err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				return err
			}
			own := parsed.Name.Name == "observe"
			ast.Inspect(parsed, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) == 0 {
					return true
				}
				if f, ok := call.Fun.(*ast.SelectorExpr); !ok || !slices.Contains([]string{"Add", "Record", "Label"}, f.Sel.Name) {
					return true
				}
				switch arg := call.Args[0].(type) {
				case *ast.SelectorExpr:
					if pkg, ok := arg.X.(*ast.Ident); ok && pkg.Name == "observe" {
						counted[arg.Sel.Name] = true
					}
				case *ast.Ident:
					counted[arg.Name] = counted[arg.Name] || own
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	counted["ErrorsByCode"] = counted["Errors"] // together: see observe.Failed
	return counted
}

// What is described is counted somewhere: a metric that nobody counts is a lie.
func TestEveryMetricIsCounted(t *testing.T) {
	counted := countedMetrics(t)
	for _, d := range observe.Descriptions() {
		if !counted[d.Name] {
			t.Errorf("nothing counts %s", d.Name)
		}
	}
}

// dashboardMetric is one of ours in the body of the dashboard.
var dashboardMetric = regexp.MustCompile(`\["` + observe.Namespace + `",\s*"(\w+)",\s*"Stack",\s*"\$\{AWS::StackName\}"(?:,\s*"(\w+)",\s*"\w+")?`)

// The dashboard shows all that is told, and nothing else.
func TestDashboard(t *testing.T) {
	document, _ := readAlarms(t)
	var properties struct {
		Body string `yaml:"DashboardBody"`
	}
	d := document.Resources["Dashboard"]
	if err := d.Properties.Decode(&properties); err != nil || d.Type != "AWS::CloudWatch::Dashboard" {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, m := range dashboardMetric.FindAllStringSubmatch(properties.Body, -1) {
		dimensions := observe.StackDimension
		if m[2] != "" {
			dimensions += "," + m[2]
		}
		if !slices.Contains(seriesOf(m[1]), dimensions) {
			t.Errorf("it shows %s by %s, which no function tells", m[1], dimensions)
		}
		shown[m[1]] = true
	}
	for _, d := range observe.Descriptions() {
		found := fmt.Sprintf(`SEARCH('{%s,Stack,%s} Stack=\"${AWS::StackName}\" MetricName=\"%s\"'`, observe.Namespace, d.Label, d.Name)
		if !shown[d.Name] && !strings.Contains(properties.Body, found) {
			t.Errorf("it does not show %s", d.Name)
		}
	}
	for _, m := range regexp.MustCompile(`\$\{(\w+)(?:\.\w+)?\}`).FindAllStringSubmatch(properties.Body, -1) {
		if _, ok := document.Resources[m[1]]; !ok {
			t.Errorf("it shows %s, which is no resource", m[0])
		}
	}
}

// Each alarm has a row on the page for operators, and each row an alarm; each metric
// has a row too.
func TestOperationsPageExplainsTheAlarms(t *testing.T) {
	b, err := os.ReadFile(operationsPage)
	if err != nil {
		t.Fatal(err)
	}
	_, alarms := readAlarms(t)
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+Alarm)` \\| .{20,} \\| .{20,} \\|$").FindAllStringSubmatch(string(b), -1) {
		rows[m[1]] = true
		if _, ok := alarms[m[1]]; !ok {
			t.Errorf("the page explains %s, which is no alarm", m[1])
		}
	}
	for id := range alarms {
		if !rows[id] {
			t.Errorf("the page does not say what %s means and what to do", id)
		}
	}
	for _, d := range observe.Descriptions() {
		if row := fmt.Sprintf("| `%s` | %s | %s |", d.Name, d.Unit, d.Help); !strings.Contains(string(b), row) {
			t.Errorf("the page does not have the row\n%s", row)
		}
	}
}
