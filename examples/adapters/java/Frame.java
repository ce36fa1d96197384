import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;

import static java.nio.charset.StandardCharsets.UTF_8;

/** The codec: one binary message is one frame (docs/wire.md). Integers are little-endian and signed. */
final class Frame {
    static final int CONNECT = 0;
    static final int CONNECTACK = 1;
    static final int SEND = 2;

    final int type;
    int statusCode;
    String statusPhrase;
    int flag;
    String token;
    /** Values are null, String, Byte, Short, Integer, Long or byte[]. */
    final Map<String, Object> fields = new HashMap<>();

    Frame(int type) {
        this.type = type;
    }

    Frame with(String key, Object value) {
        fields.put(key, value);
        return this;
    }

    Object get(String key) {
        return fields.get(key);
    }

    ByteBuffer encode() {
        Writer out = new Writer();
        out.integer(2, 1).integer(type, 1);
        if (flag > 0) out.integer(4, 2).integer(flag, 4);
        if (token != null) out.integer(5, 2).string(token);
        fields.forEach((key, value) -> out.integer(1, 2).string(key).value(value));
        out.integer(0, 2);
        return ByteBuffer.wrap(out.bytes.toByteArray());
    }

    /** Throws RuntimeException for what it cannot read: BufferUnderflow of a frame that ends too early. */
    static Frame decode(byte[] data) {
        ByteBuffer in = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        in.get(); // the version
        Frame frame = new Frame(in.get());
        while (true) {
            switch (in.getShort()) {
                case 0: return frame; // what follows is ignored
                case 1: frame.with(string(in), value(in)); break;
                case 2: frame.statusCode = in.getInt(); break;
                case 3: frame.statusPhrase = string(in); break;
                case 4: frame.flag = in.getInt(); break;
                case 5: frame.token = string(in); break;
                default: // unknown: the two bytes, and no more
            }
        }
    }

    private static Object value(ByteBuffer in) {
        return switch (in.get()) {
            case 0 -> null;
            case 2 -> in.get();
            case 3 -> in.getShort();
            case 4 -> in.getInt();
            case 5, 6 -> in.getLong(); // a date is milliseconds since 1970
            case 7 -> bytes(in);
            default -> string(in); // an unknown format, too
        };
    }

    /** A length comes from outside: it is compared before anything is allocated. */
    private static byte[] bytes(ByteBuffer in) {
        int length = in.getInt();
        if (length < 0) return null;
        if (length > in.remaining()) throw new IllegalArgumentException(length + " bytes where " + in.remaining() + " are left");
        byte[] bytes = new byte[length];
        in.get(bytes);
        return bytes;
    }

    private static String string(ByteBuffer in) {
        byte[] bytes = bytes(in);
        return bytes == null || bytes.length == 0 ? null : new String(bytes, UTF_8);
    }

    private static final class Writer {
        final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        Writer integer(long value, int size) {
            for (int at = 0; at < size; at++) bytes.write((int) (value >> 8 * at));
            return this;
        }

        Writer string(String text) {
            byte[] encoded = text.getBytes(UTF_8);
            integer(encoded.length, 4);
            bytes.writeBytes(encoded);
            return this;
        }

        Writer value(Object value) {
            if (value == null) return integer(0, 1);
            if (value instanceof Byte number) return integer(2, 1).integer(number, 1);
            if (value instanceof Long number) return integer(5, 1).integer(number, 8);
            return integer(1, 1).string((String) value);
        }
    }
}
