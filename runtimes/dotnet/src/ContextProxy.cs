using System;
using System.Reflection;

namespace Fungraph
{
    /// <summary>
    /// A handler's second argument: made at run time for the very interface that the handler was compiled against, whichever
    /// operator's and whichever release of it. A package brings that interface along, so nothing of ours can implement it beforehand.
    /// </summary>
    public class ContextProxy : DispatchProxy
    {
        CallContext call;
        Func<LoggerProxy> logger;
        LoggerProxy made;

        /// <summary>How contexts of an interface are made.</summary>
        internal static Func<CallContext, object> MakerOf(Type context)
        {
            PropertyInfo property = context.GetProperty("Logger");
            Func<object> loggers = property != null && property.PropertyType.IsInterface
                ? Proxies(property.PropertyType, typeof(LoggerProxy))
                : null;
            Func<object> contexts = Proxies(context, typeof(ContextProxy));
            return call =>
            {
                var proxy = (ContextProxy)contexts();
                proxy.call = call;
                proxy.logger = loggers == null ? null : (Func<LoggerProxy>)(() => (LoggerProxy)loggers());
                return proxy;
            };
        }

        protected override object Invoke(MethodInfo method, object[] arguments)
        {
            string name = method.Name;
            if (name == "get_Logger")
            {
                return Logger();
            }
            if (name == "GetUserData" && arguments.Length > 0)
            {
                return call.UserData(arguments[0] as string, arguments.Length > 1 ? arguments[1] as string : "");
            }
            object value = name.StartsWith("get_", StringComparison.Ordinal) ? call.Get(name.Substring(4)) : null;
            return Fitting(value, method.ReturnType);
        }

        LoggerProxy Logger()
        {
            if (made == null && logger != null)
            {
                made = logger();
                made.Call = call;
            }
            return made;
        }

        /// <summary>The value as its property has it; of what nobody knows, an empty text or zero.</summary>
        static object Fitting(object value, Type type)
        {
            if (type == typeof(string))
            {
                return value == null ? "" : value.ToString();
            }
            if (!type.IsValueType || type == typeof(void))
            {
                return null;
            }
            return value is int number ? Convert.ChangeType(number, type) : Activator.CreateInstance(type);
        }

        static Func<object> Proxies(Type contract, Type proxy)
        {
            MethodInfo create = typeof(DispatchProxy).GetMethod("Create", 2, BindingFlags.Public | BindingFlags.Static, null, Type.EmptyTypes, null);
            return (Func<object>)create.MakeGenericMethod(contract, proxy).CreateDelegate(typeof(Func<object>));
        }
    }

    /// <summary>What Logger gives.</summary>
    public class LoggerProxy : DispatchProxy
    {
        internal CallContext Call;

        protected override object Invoke(MethodInfo method, object[] arguments)
        {
            string text = arguments.Length > 0 ? arguments[0] as string : null;
            if (arguments.Length > 1)
            {
                Call.Log(text, arguments[1] as object[]);
            }
            else
            {
                Call.Log(text);
            }
            return null;
        }
    }
}
