using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Threading;

namespace Fungraph
{
    /// <summary>Which calls run now, so that what is printed is told to belong to one of them.</summary>
    sealed class Running
    {
        /// <summary>Where calls come one at a time: whatever runs belongs to it, on whichever thread.</summary>
        volatile CallContext only;
        /// <summary>Where they come several at once: a call's tasks and threads inherit it.</summary>
        AsyncLocal<CallContext> each;
        readonly ConcurrentDictionary<int, CallContext> all = new ConcurrentDictionary<int, CallContext>();

        /// <summary>Calls will come several at once.</summary>
        internal void SeveralAtOnce()
        {
            each = new AsyncLocal<CallContext>();
        }

        internal void Enter(CallContext context)
        {
            if (each == null)
            {
                only = context;
                return;
            }
            all[context.Call] = context;
            each.Value = context;
        }

        internal void Leave(CallContext context)
        {
            if (each == null)
            {
                only = null;
                return;
            }
            CallContext gone;
            all.TryRemove(context.Call, out gone);
            each.Value = null;
        }

        /// <summary>Number of the call whose work this is; 0 outside any call.</summary>
        internal int Call()
        {
            CallContext context = each == null ? only : each.Value;
            return context == null ? 0 : context.Call;
        }

        /// <summary>All that run.</summary>
        internal List<CallContext> All()
        {
            var running = new List<CallContext>();
            CallContext single = only;
            if (single != null)
            {
                running.Add(single);
            }
            foreach (KeyValuePair<int, CallContext> entry in all)
            {
                running.Add(entry.Value);
            }
            return running;
        }
    }
}
