package cold

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"aiwm-chat/local/command"
	"aiwm-chat/local/cost"
	"aiwm-chat/local/server"
)

// Command measures the binaries of a folder, as `make bench-cold` leaves them.
func Command(ctx context.Context, args []string, out io.Writer, getenv func(string) string) error {
	fs := flag.NewFlagSet("cold", flag.ContinueOnError)
	dir := fs.String("exec", ".build", "folder of the built functions, and of "+hello)
	starts := fs.Int("starts", 15, "cold starts of each")
	invocations := fs.Int("invocations", 500, "warm invocations of each")
	template := fs.String("template", "template.yaml", "the template that they are of")
	if err := command.Parse(fs, args); err != nil {
		return err
	}
	if *starts < 1 || *invocations < 1 {
		return errors.New("-starts and -invocations must be positive")
	}
	command.Quiet()
	o := server.Options{Template: *template, Getenv: command.Unlimited(getenv), Logger: slog.New(slog.DiscardHandler)}
	return server.With(ctx, o, func(s *server.Server) error {
		w, err := enter(ctx, s)
		if err != nil {
			return err
		}
		defer w.client.Close()
		subjects, err := w.subjects(s)
		if err != nil {
			return err
		}
		results, err := measure(ctx, *dir, subjects, *starts, *invocations)
		if err != nil {
			return fmt.Errorf("%w (make bench-cold builds what is measured)", err)
		}
		return show(out, results)
	})
}

// wholeCPU is the memory in MB with which Lambda gives a function a whole processor.
const wholeCPU = 1769

// sizes are the memory sizes of the table of prices.
var sizes = []int{128, 256, 512, 1024}

// show prints the measured, and what a million invocations would cost: with less
// memory than makes a whole processor what is computed takes as much longer, and what
// is waited for does not.
func show(out io.Writer, results []result) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tcold ms\t× hello\twarm ms\tCPU ms\tMB\t")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%.1f\t%.2f\t%.2f\t%.2f\t%.1f\t\n", r.name, ms(r.cold), float64(r.cold)/float64(results[0].cold), ms(r.warm), ms(r.cpu), float64(r.peak)/1e6)
	}
	fmt.Fprint(t, "\t\t\t\t\t\t\na million, warm")
	for _, size := range sizes {
		fmt.Fprintf(t, "\t%d MB", size)
	}
	fmt.Fprintln(t, "\t\t")
	for _, r := range results {
		fmt.Fprint(t, r.name)
		for _, size := range sizes {
			took := at(r, size)
			fmt.Fprintf(t, "\t%.1f ms $%.2f", ms(took), cost.Invocations(1e6, ms(took), float64(size)))
		}
		fmt.Fprintln(t, "\t\t")
	}
	return t.Flush()
}

// at is how long a warm invocation takes with so much memory.
func at(r result, size int) time.Duration {
	cpu := min(r.cpu, r.warm)
	return r.warm - cpu + time.Duration(float64(cpu)*max(1, wholeCPU/float64(size)))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
