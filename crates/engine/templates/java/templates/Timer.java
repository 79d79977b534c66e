package templates;

import com.huawei.services.runtime.Context;
import com.huawei.services.runtime.entity.timer.TimerTriggerEvent;

/** Runs each time its timer fires. What the timer carries is a text, even where it holds JSON. */
public class Timer {
    public String handle(TimerTriggerEvent event, Context context) {
        context.getLogger().log("fired at " + event.getTime());
        return event.getTriggerName() + " did: " + event.getUserEvent();
    }
}
