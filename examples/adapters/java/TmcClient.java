import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.zip.GZIPInputStream;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * A small TMC client, so that the adapter beside it has something to hold: it confirms after the handler, reports what the
 * handler throws, reconnects, and reads no more than it can handle. It neither publishes nor polls.
 *
 * All state is guarded by the lock of this object. Handlers and callbacks are called without it.
 */
final class TmcClient {
    static {
        // When an attempt to connect breaks, the JDK makes a second one at once and tells nobody (CON-3). One is enough.
        System.setProperty("jdk.httpclient.redirects.retrylimit", "1");
    }

    private static final byte PULL_REQUEST = 1;
    private static final byte CONFIRM = 2;
    private static final byte PUSH = 3;
    private static final byte FAILED = 20;

    private static final int WORKERS = 8; // handlers at a time
    private static final int CAPACITY = 1000; // messages in hand: queued, handled, or waiting for their answer to be sent
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10); // for the upgrade, and for the CONNECTACK
    private static final int RECONNECT_AFTER = 1000; // ms at least, and twice as much by chance: not all clients at once
    private static final int PULL_INTERVAL = 15; // seconds
    private static final long SILENCE_LIMIT = 90_000_000_000L; // ns; no ping is answered: only a fresh CONNECT shows life
    private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(2);
    private static final int MAX_MESSAGE = 8 << 20; // bytes, of a frame and of content, unzipped
    private static final int MAX_REASON = 128; // characters

    record Message(long id, String topic, String content, Long userId, String nick, String publisher, Long dataId,
                   Long publishTime, Long outgoingTime) {}

    interface Handler {
        /** Returning confirms the message, throwing reports it as failed. */
        void handle(Message message) throws Exception;
    }

    static final class Refused extends IOException {
        final int code;

        Refused(int code, String phrase) {
            super("the service refused the CONNECT: " + code + " " + phrase);
            this.code = code;
        }
    }

    private final URI url;
    private final String appKey;
    private final String appSecret;
    private final String group;
    private final Handler handler;
    private final Runnable onOnline;
    private final Consumer<String> onOffline;

    private static final ThreadFactory DAEMON = task -> {
        Thread thread = new Thread(task);
        thread.setDaemon(true); // a handler that hangs must not keep the process alive
        return thread;
    };
    private final HttpClient http = HttpClient.newBuilder().proxy(HttpClient.Builder.NO_PROXY).build();
    private final ExecutorService handlers = Executors.newFixedThreadPool(WORKERS, DAEMON);
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(DAEMON);

    private Connection online; // null while there is none that the service has accepted
    private int flags;
    private final Set<Long> inHand = new HashSet<>(); // the same message is not handled twice at a time
    private int working; // messages whose handler is not done
    private final List<Frame> unsent = new ArrayList<>(); // answers that wait for a connection
    private boolean stopping;

    TmcClient(URI url, String appKey, String appSecret, String group, Handler handler, Runnable onOnline,
              Consumer<String> onOffline) {
        this.url = url;
        this.appKey = appKey;
        this.appSecret = appSecret;
        this.group = group;
        this.handler = handler;
        this.onOnline = onOnline;
        this.onOffline = onOffline;
    }

    /** Connects. Throws when the service refuses or does not answer; from then on the client reconnects by itself. */
    void start() throws IOException, InterruptedException {
        connect();
        timer.scheduleAtFixedRate(this::pull, PULL_INTERVAL, PULL_INTERVAL, TimeUnit.SECONDS);
    }

    /** Handlers get some time to end. What is not answered then, the service sends again. */
    void stop(Duration grace) throws InterruptedException {
        Connection last;
        synchronized (this) {
            stopping = true;
            long end = System.nanoTime() + grace.toNanos();
            for (long left; working > 0 && (left = end - System.nanoTime()) > 0;) {
                TimeUnit.NANOSECONDS.timedWait(this, left);
            }
            last = online;
        }
        timer.shutdownNow();
        handlers.shutdownNow();
        if (last != null) last.close();
    }

    // The connection

    /** One attempt. */
    private void connect() throws IOException, InterruptedException {
        Connection connection = new Connection();
        try {
            http.newWebSocketBuilder().connectTimeout(CONNECT_TIMEOUT).buildAsync(url, connection)
                .thenCompose(opened -> connection.accepted.orTimeout(CONNECT_TIMEOUT.toSeconds(), TimeUnit.SECONDS))
                .get();
        } catch (ExecutionException error) {
            connection.ended("not accepted");
            if (error.getCause() instanceof Refused refused) throw refused;
            throw new IOException(url + ": " + error.getCause(), error.getCause());
        }
    }

    private void reconnectLater() {
        synchronized (this) {
            if (stopping) return;
        }
        long after = (long) (RECONNECT_AFTER * (1 + 2 * Math.random()));
        timer.schedule(() -> {
            try {
                connect();
            } catch (IOException error) {
                System.err.println(error.getMessage());
                reconnectLater();
            }
            return null;
        }, after, TimeUnit.MILLISECONDS);
    }

    private void pull() {
        Connection connection;
        synchronized (this) {
            connection = online;
            if (connection == null || connection.paused) return; // whoever does not read hears nothing
            if (System.nanoTime() - connection.heardAt < SILENCE_LIMIT) {
                connection.say(new Frame(Frame.SEND).with("__kind", PULL_REQUEST));
                return;
            }
        }
        connection.ended("the service is silent");
    }

    /** The secret stays here. Exactly three fields are signed. */
    private Frame credentials(int flag) {
        String timestamp = String.valueOf(System.currentTimeMillis());
        String text = appSecret + "app_key" + appKey + "group_name" + group + "timestamp" + timestamp + appSecret;
        Frame frame = new Frame(Frame.CONNECT)
            .with("app_key", appKey).with("group_name", group).with("timestamp", timestamp).with("sign", md5(text));
        frame.flag = flag;
        return frame;
    }

    /** One connection, from the attempt to its end. */
    private final class Connection implements WebSocket.Listener {
        final CompletableFuture<Void> accepted = new CompletableFuture<>();
        boolean paused;
        long heardAt;

        private final int flag;
        private final CompletableFuture<Void> gone = new CompletableFuture<>();
        private final ByteArrayOutputStream fragments = new ByteArrayOutputStream();
        private WebSocket socket;
        private String token;
        private CompletableFuture<WebSocket> sent; // one message at a time may be on its way

        Connection() {
            synchronized (TmcClient.this) {
                flag = ++flags;
            }
        }

        @Override
        public void onOpen(WebSocket socket) {
            synchronized (TmcClient.this) {
                this.socket = socket;
                sent = CompletableFuture.completedFuture(socket);
                send(credentials(flag));
                heard();
            }
        }

        @Override
        public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer data, boolean last) {
            byte[] fragment = new byte[data.remaining()];
            data.get(fragment);
            fragments.writeBytes(fragment);
            if (fragments.size() > MAX_MESSAGE) {
                ended("a message of more than " + MAX_MESSAGE + " bytes");
                return null;
            }
            if (last) {
                byte[] message = fragments.toByteArray();
                fragments.reset();
                try {
                    received(Frame.decode(message));
                } catch (RuntimeException error) {
                    System.err.println("ignored a frame: " + error);
                }
            }
            heard();
            return null;
        }

        @Override
        public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
            heard(); // TMC is binary
            return null;
        }

        @Override
        public CompletionStage<?> onPing(WebSocket socket, ByteBuffer data) {
            heard(); // answered by the JDK
            return null;
        }

        @Override
        public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
            ended("closed by the service: " + code + " " + reason);
            return null;
        }

        @Override
        public void onError(WebSocket socket, Throwable error) {
            ended(String.valueOf(error));
        }

        /** Asks for the next message, unless there are enough in hand: then TCP holds the service back. */
        private void heard() {
            synchronized (TmcClient.this) {
                heardAt = System.nanoTime();
                paused = inHand.size() >= CAPACITY && !stopping;
                if (!paused) socket.request(1);
            }
        }

        private void received(Frame frame) {
            if (frame.type == Frame.CONNECTACK && token == null && frame.flag == flag) {
                answered(frame);
            } else if (frame.type == Frame.SEND && frame.get("__kind") instanceof Byte kind && kind == PUSH && token != null) {
                if (frame.get("id") instanceof Long id) pushed(id, frame); // else nobody could confirm it
            }
        }

        /** A success has a token, and no error. A phrase alone is an error, too. */
        private void answered(Frame ack) {
            if (ack.statusCode > 0 || ack.statusPhrase != null || ack.token == null) {
                accepted.completeExceptionally(new Refused(ack.statusCode, ack.statusPhrase));
                return;
            }
            synchronized (TmcClient.this) {
                token = ack.token;
                online = this;
                unsent.forEach(this::answer);
                unsent.clear();
            }
            onOnline.run();
            accepted.complete(null);
        }

        void answer(Frame answer) {
            say(answer).whenComplete((done, error) -> {
                synchronized (TmcClient.this) {
                    inHand.remove((Long) answer.get("id"));
                    if (online != null && online.paused) online.heard();
                }
            });
        }

        CompletableFuture<WebSocket> say(Frame frame) {
            frame.token = token;
            return send(frame);
        }

        private CompletableFuture<WebSocket> send(Frame frame) {
            sent = sent.thenCompose(socket -> socket.sendBinary(frame.encode(), true));
            return sent;
        }

        /** Says goodbye, and waits a moment for the service to do so. */
        void close() throws InterruptedException {
            synchronized (TmcClient.this) {
                sent = sent.thenCompose(socket -> socket.sendClose(WebSocket.NORMAL_CLOSURE, "client closed"));
                if (paused) heard();
            }
            try {
                gone.completeOnTimeout(null, CLOSE_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS).get();
            } catch (ExecutionException error) {
                throw new AssertionError(error);
            }
            ended("the client was stopped");
        }

        /** For whatever reason; only the first counts. */
        private void ended(String reason) {
            synchronized (TmcClient.this) {
                if (socket != null) socket.abort();
                accepted.completeExceptionally(new IOException(reason));
                gone.complete(null);
                if (online != this) return;
                online = null;
                if (stopping) return;
            }
            onOffline.accept(reason);
            reconnectLater();
        }
    }

    // Messages

    private void pushed(long id, Frame frame) {
        synchronized (this) {
            if (stopping || !inHand.add(id)) return;
            working++;
        }
        handlers.execute(() -> {
            Frame answer = handled(id, frame);
            synchronized (this) {
                working--;
                notifyAll();
                // With the token of the connection that there is now, and when there is none, of the next one.
                if (online == null) unsent.add(answer);
                else online.answer(answer);
            }
        });
    }

    private Frame handled(long id, Frame frame) {
        try {
            handler.handle(new Message(
                id, text(frame, "topic"), content(frame.get("content")), integer(frame, "userid"), text(frame, "nick"),
                text(frame, "publisher"), integer(frame, "dataid"), integer(frame, "time"), integer(frame, "outtime")));
            return new Frame(Frame.SEND).with("__kind", CONFIRM).with("id", id);
        } catch (Throwable error) {
            String reason = error.getMessage() == null ? "" : error.getMessage();
            if (reason.codePointCount(0, reason.length()) > MAX_REASON) {
                reason = reason.substring(0, reason.offsetByCodePoints(0, MAX_REASON));
            }
            return new Frame(Frame.SEND).with("__kind", FAILED).with("id", id).with("msg", reason.isEmpty() ? null : reason);
        }
    }

    private static String content(Object content) throws IOException {
        if (!(content instanceof byte[] zipped)) return (String) content;
        byte[] bytes = new GZIPInputStream(new ByteArrayInputStream(zipped)).readNBytes(MAX_MESSAGE + 1);
        if (bytes.length > MAX_MESSAGE) throw new IOException("content of more than " + MAX_MESSAGE + " bytes");
        return new String(bytes, UTF_8);
    }

    private static String text(Frame frame, String key) {
        return frame.get(key) instanceof String text ? text : null;
    }

    private static Long integer(Frame frame, String key) {
        return frame.get(key) instanceof Number integer ? integer.longValue() : null; // in whatever width it came
    }

    private static String md5(String text) {
        try {
            return HexFormat.of().withUpperCase().formatHex(MessageDigest.getInstance("MD5").digest(text.getBytes(UTF_8)));
        } catch (GeneralSecurityException error) {
            throw new AssertionError("every JDK has MD5", error);
        }
    }
}
