import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** The bare limit: frames of a length and JSON on descriptor 0, one at a time, nothing else. */
public class Loop {
    public static void main(String[] arguments) throws Exception {
        FileInputStream in = new FileInputStream(FileDescriptor.in);
        FileOutputStream out = new FileOutputStream(FileDescriptor.in);
        Type type = new TypeToken<Map<String, Object>>() {}.getType();
        Gson gson = new Gson();
        ByteBuffer data = ByteBuffer.allocate(8192).order(ByteOrder.LITTLE_ENDIAN);
        byte[] frame = new byte[8192];
        while (true) {
            int more = in.read(data.array(), data.position(), data.remaining());
            if (more < 0) {
                return;
            }
            data.position(data.position() + more).flip();
            while (data.remaining() >= 4 && data.remaining() >= 4 + data.getInt(data.position())) {
                int length = data.getInt();
                String event = new String(data.array(), data.position(), length, StandardCharsets.UTF_8);
                data.position(data.position() + length);
                byte[] body = gson.toJson(index.handler(gson.fromJson(event, type), null)).getBytes(StandardCharsets.UTF_8);
                ByteBuffer.wrap(frame).order(ByteOrder.LITTLE_ENDIAN).putInt(body.length).put(body);
                out.write(frame, 0, 4 + body.length);
            }
            data.compact();
        }
    }
}
