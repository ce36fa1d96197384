import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * An adapter for a Java client, with nothing but JDK 17. It speaks the contract of docs/adapter.md.
 *
 *     javac -d /tmp/adapter examples/adapters/java/*.java
 *     tmcspec run --client "java -cp /tmp/adapter Adapter"
 *
 * To hold another client, rewrite what stands under "The client". The rest knows nothing of it.
 */
final class Adapter {

    // ---- The client ------------------------------------------------------------------------------------------------

    private static final Map<String, Object> CLIENT = members(
        "name", "tmcspec example", "version", "1", "language", "java " + System.getProperty("java.version"));
    /** What is not here is never asked for. */
    private static final List<String> CAPABILITIES = List.of("push", "fail", "raise", "reconnect", "graceful_stop");
    /** For handlers at the end; the contract gives five seconds from the end of input to the exit. */
    private static final Duration GRACE = Duration.ofSeconds(3);

    private static TmcClient newClient(Map<?, ?> command) {
        return new TmcClient(
            URI.create((String) command.get("url")),
            (String) command.get("app_key"),
            (String) command.get("app_secret"),
            (String) command.get("group"),
            Adapter::handle,
            () -> say(members("event", "online")),
            error -> say(members("event", "offline", "error", error)));
    }

    /** The handler, as a user of the library writes it. It is called by several threads at a time. */
    private static void handle(TmcClient.Message message) throws Exception {
        say(members(
            "event", "received",
            "message_id", decimal(message.id()),
            "topic", message.topic(),
            "content", message.content(),
            "user_id", decimal(message.userId()),
            "nick", message.nick(),
            "publisher", message.publisher(),
            "data_id", decimal(message.dataId()),
            "publish_time", decimal(message.publishTime()),
            "outgoing_time", decimal(message.outgoingTime())));
        Told told = Told.of(message.content());
        Thread.sleep(told.delay);
        if (told.outcome.equals("hang")) Thread.sleep(Long.MAX_VALUE);
        say(members("event", "handled", "message_id", decimal(message.id()), "outcome", told.outcome)); // before the library knows
        // This library has one way to report a failure: to throw. One with another way uses that for `fail`.
        if (told.outcome.equals("raise") && told.unusual) throw new AssertionError(told.reason); // no Exception
        if (!told.outcome.equals("ok")) throw new Exception(told.reason);
    }

    // ---- What the handler does: it is written in the message -------------------------------------------------------

    private record Told(String outcome, long delay, String reason, boolean unusual) {
        static Told of(String content) {
            try {
                Map<?, ?> words = (Map<?, ?>) ((Map<?, ?>) Json.read(content)).get("tmcspec");
                Object outcome = words.get("outcome");
                Object delay = words.get("delay_ms");
                return new Told(outcome == null ? "ok" : (String) outcome, delay == null ? 0 : ((Double) delay).longValue(),
                    (String) words.get("reason"), Boolean.TRUE.equals(words.get("unusual")));
            } catch (IllegalArgumentException | ClassCastException | NullPointerException error) {
                return new Told("ok", 0, null, false); // an ordinary message
            }
        }
    }

    // ---- Lines: one JSON object each -------------------------------------------------------------------------------

    private static final PrintStream OUTPUT = System.out;

    /** From any thread: a line is written whole, with LF on every platform. */
    private static synchronized void say(Map<String, Object> line) {
        OUTPUT.print(Json.write(line) + "\n");
        OUTPUT.flush();
    }

    /** 64-bit integers are strings, because JSON readers round them. */
    private static String decimal(Long value) {
        return value == null ? null : value.toString();
    }

    private static Map<String, Object> members(Object... pairs) {
        Map<String, Object> members = new LinkedHashMap<>();
        for (int at = 0; at < pairs.length; at += 2) members.put((String) pairs[at], pairs[at + 1]);
        return members;
    }

    // ---- Operations ------------------------------------------------------------------------------------------------

    private static TmcClient client;

    private static void obey(Map<?, ?> command) {
        Map<String, Object> answer = members("id", command.get("id"), "status", "result");
        try {
            switch ((String) command.get("op")) {
                case "hello" -> answer.putAll(members("protocol", 1, "client", CLIENT, "capabilities", CAPABILITIES));
                case "start" -> start(command, answer);
                case "stop" -> stop();
                default -> answer.put("status", "unsupported");
            }
        } catch (TmcClient.Refused error) {
            answer.putAll(members("status", "raised", "error", error.getMessage(), "code", error.code));
        } catch (IOException error) {
            answer.putAll(members("status", "raised", "error", String.valueOf(error.getMessage())));
        } catch (Exception error) {
            answer.putAll(members("status", "fault", "error", error.toString()));
        }
        say(answer);
    }

    private static void start(Map<?, ?> command, Map<String, Object> answer) throws IOException, InterruptedException {
        if (!command.get("mode").equals("push")) {
            answer.put("status", "unsupported");
            return;
        }
        TmcClient started = newClient(command);
        synchronized (Adapter.class) {
            client = started;
        }
        started.start();
    }

    /** Perhaps before a start has come to its end, which then throws. */
    private static void stop() throws InterruptedException {
        TmcClient stopped;
        synchronized (Adapter.class) {
            stopped = client;
            client = null;
        }
        if (stopped != null) stopped.stop(GRACE);
    }

    /** Commands, until `bye` or the end of input. Each has a thread of its own: none may hold up the next. */
    public static void main(String[] arguments) throws Exception {
        System.setOut(System.err); // standard output is ours alone: what anybody prints goes to the log
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        for (String line; (line = commands.readLine()) != null;) {
            Map<?, ?> command = (Map<?, ?>) Json.read(line);
            if (command.get("op").equals("bye")) {
                say(members("id", command.get("id"), "status", "result"));
                break;
            }
            new Thread(() -> obey(command)).start();
        }
        stop();
        System.exit(0);
    }
}
