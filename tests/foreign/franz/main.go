// franz-go: topics, records with headers, a group, transactions, and its admin client. Prints a JSON object a line.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const topic = "franz"

func say(step string, outcome any) {
	line, _ := json.Marshal(map[string]string{"step": step, "outcome": fmt.Sprint(outcome)})
	fmt.Println(string(line))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// name is what an error is called in the protocol.
func name(err error) string {
	var known *kerr.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &known):
		return known.Message
	default:
		return err.Error()
	}
}

func client(options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append(options, kgo.SeedBrokers(os.Args[1]))...)
	must(err)
	return made
}

// consume reads so many records and tells them in order.
func consume(ctx context.Context, reader *kgo.Client, count int) []string {
	var seen []string
	for len(seen) < count && ctx.Err() == nil {
		fetches := reader.PollFetches(ctx)
		fetches.EachRecord(func(r *kgo.Record) {
			seen = append(seen, fmt.Sprintf("%d %d %s %s %v", r.Partition, r.Offset, r.Key, r.Value, r.Headers))
		})
	}
	sort.Strings(seen)
	return seen
}

func listed(offsets kadm.ListedOffsets) []string {
	var lines []string
	offsets.Each(func(o kadm.ListedOffset) { lines = append(lines, fmt.Sprint(o.Partition, " ", o.Offset)) })
	sort.Strings(lines)
	return lines
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	plain := client(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.DefaultProduceTopic(topic))
	defer plain.Close()
	admin := kadm.NewClient(plain)
	for _, step := range []string{"create", "create again"} {
		made, err := admin.CreateTopic(ctx, 2, 1, nil, topic)
		say(step, name(errors.Join(err, made.Err)))
	}
	_, err := admin.CreateTopic(ctx, 1, 1, nil, "moved-by-franz")
	must(err)
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		writer := client(kgo.ProducerBatchCompression(codecs[codec]), kgo.DefaultProduceTopic(topic))
		var records []*kgo.Record
		for n := range 20 {
			headers := []kgo.RecordHeader{{Key: "n", Value: fmt.Append(nil, n)}}
			records = append(records, &kgo.Record{Key: fmt.Append(nil, "key ", n%5), Value: fmt.Append(nil, codec, " ", n), Headers: headers})
		}
		say("produce "+codec, name(writer.ProduceSync(ctx, records...).FirstErr()))
		writer.Close()
	}
	reader := client(kgo.ConsumerGroup("franz"), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	say("consume as a group", consume(ctx, reader, 100))
	must(reader.CommitUncommittedOffsets(ctx))
	groups, err := admin.DescribeGroups(ctx, "franz")
	must(err)
	say("describe the group", fmt.Sprint(groups["franz"].State, len(groups["franz"].Members), groups["franz"].Protocol))
	reader.Close()
	lags, err := admin.Lag(ctx, "franz")
	must(err)
	say("lag", lags["franz"].Lag.Total())
	offsets, err := admin.FetchOffsets(ctx, "franz")
	must(err)
	for _, at := range offsets.Sorted() {
		say(fmt.Sprint("committed in partition ", at.Partition), at.At)
	}
	ends, err := admin.ListEndOffsets(ctx, topic)
	must(err)
	say("ends", listed(ends))
	after, err := admin.ListOffsetsAfterMilli(ctx, 1, topic)
	must(err)
	say("first after a time", listed(after))

	writer := client(kgo.TransactionalID("franz-writer"), kgo.DefaultProduceTopic("moved-by-franz"))
	for _, value := range []string{"kept", "dropped", "kept too"} {
		must(writer.BeginTransaction())
		must(writer.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr())
		say("transaction: "+value, name(writer.EndTransaction(ctx, kgo.TransactionEndTry(value != "dropped"))))
	}
	writer.Close()
	committed := client(kgo.ConsumeTopics("moved-by-franz"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	say("read committed", consume(ctx, committed, 2))
	committed.Close()
	transactions, err := admin.DescribeTransactions(ctx, "franz-writer")
	must(err)
	say("describe the transaction", transactions["franz-writer"].State)

	value := "7200000"
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, topic)
	must(err)
	say("set a setting", name(altered[0].Err))
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	must(err)
	for _, config := range configs[0].Configs {
		if config.Key == "retention.ms" || config.Key == "cleanup.policy" {
			say("describe "+config.Key, config.MaybeValue())
		}
	}
	grown, err := admin.UpdatePartitions(ctx, 3, topic)
	must(err)
	say("more partitions", name(grown[topic].Err))
	until := kadm.Offsets{}
	until.AddOffset(topic, 0, 3, -1)
	gone, err := admin.DeleteRecords(ctx, until)
	must(err)
	say("delete records", gone[topic][0].LowWatermark)
	described, err := admin.ListTopics(ctx, topic)
	must(err)
	// Added partitions are seen a moment later on a broker that hears of them from its controller.
	for ctx.Err() == nil && len(described[topic].Partitions) < 3 {
		described, err = admin.ListTopics(ctx, topic)
		must(err)
	}
	say("describe", len(described[topic].Partitions))
	dropped, err := admin.DeleteGroup(ctx, "franz")
	say("delete the group", name(errors.Join(err, dropped.Err)))
	for _, step := range []string{"delete", "delete again"} {
		deleted, err := admin.DeleteTopic(ctx, topic)
		say(step, name(errors.Join(err, deleted.Err)))
	}
}
