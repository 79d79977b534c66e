package garden;

import com.huawei.services.runtime.Context;
import com.huawei.services.runtime.entity.smn.SMNTriggerEvent;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;

/** Reads a file of its package, and an event of a topic. */
public class Shelf {
    public String read(SMNTriggerEvent event, Context context) throws IOException {
        byte[] label = Files.readAllBytes(Paths.get("code/label.txt"));
        String from = Shelf.class.getProtectionDomain().getCodeSource().getLocation().getPath();
        return new String(label, StandardCharsets.UTF_8).trim() + " " + event.getRecord()[0].getSmn().getTopicUrn() + " " + from;
    }
}
