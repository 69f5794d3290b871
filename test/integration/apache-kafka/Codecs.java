import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Kafka's own client as the other side: writes a topic in every codec, and prints what it reads from another. */
class Codecs {
  public static void main(String[] args) {
    String brokers = args[0];
    for (String codec : List.of("gzip", "snappy", "lz4", "zstd")) {
      Map<String, Object> settings = Map.of("bootstrap.servers", brokers, "compression.type", codec, "linger.ms", 200);
      try (var producer = new KafkaProducer<String, String>(settings, new StringSerializer(), new StringSerializer())) {
        // More than one block of each codec's framing.
        for (int i = 0; i < 100; i++) producer.send(new ProducerRecord<>(args[1], 0, codec, codec + " " + i + " " + "x".repeat(1500)));
      }
    }
    TopicPartition source = new TopicPartition(args[2], 0);
    Map<String, Object> settings = Map.of("bootstrap.servers", brokers);
    try (var consumer = new KafkaConsumer<String, String>(settings, new StringDeserializer(), new StringDeserializer())) {
      consumer.assign(Set.of(source));
      consumer.seekToBeginning(Set.of(source));
      long end = consumer.endOffsets(Set.of(source)).get(source);
      while (consumer.position(source) < end) {
        consumer.poll(Duration.ofMillis(500)).forEach(record -> System.out.println(record.value()));
      }
    }
  }
}
