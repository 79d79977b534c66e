using System;
using System.Collections.Generic;
using System.Reflection;
using System.Text;
using System.Threading.Tasks;

namespace Fungraph
{
    /// <summary>A method that the configuration names, ready to be called: handler, initializer or pre-stop handler.</summary>
    sealed class Entry
    {
        const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static
            | BindingFlags.FlattenHierarchy;

        internal readonly MethodInfo Method;
        /// <summary>Null for a static method.</summary>
        readonly object instance;
        readonly Func<CallContext, object> contexts;
        readonly Func<object, object> outcome;

        Entry(MethodInfo method, object instance)
        {
            Method = method;
            this.instance = instance;
            ParameterInfo[] parameters = method.GetParameters();
            contexts = ContextProxy.MakerOf(parameters[parameters.Length - 1].ParameterType);
            outcome = Awaited.By(method.ReturnType);
        }

        /// <summary>The public method of a class that takes (event, context), or the context alone.</summary>
        internal static Entry Of(Type owner, string name, bool takesEvent, Func<Type, object> instances)
        {
            MethodInfo method = Find(owner, name, takesEvent);
            return new Entry(method, method.IsStatic ? null : instances(owner));
        }

        internal Type EventType
        {
            get { return Method.GetParameters()[0].ParameterType; }
        }

        /// <summary>Calls it, and waits where it returns a task. What it throws comes out as it is.</summary>
        internal object Call(object input, CallContext context)
        {
            return outcome(Method.Invoke(instance, BindingFlags.DoNotWrapExceptions, null, new[] { input, contexts(context) }, null));
        }

        internal void Call(CallContext context)
        {
            outcome(Method.Invoke(instance, BindingFlags.DoNotWrapExceptions, null, new[] { contexts(context) }, null));
        }

        static MethodInfo Find(Type owner, string name, bool takesEvent)
        {
            var named = new List<MethodInfo>();
            MethodInfo best = null;
            foreach (MethodInfo method in owner.GetMethods(Any))
            {
                if (method.Name != name)
                {
                    continue;
                }
                named.Add(method);
                if (Fits(method, takesEvent) && (best == null || Rank(method) < Rank(best)))
                {
                    best = method;
                }
            }
            return best ?? throw Misfit(owner, name, named, takesEvent);
        }

        static bool Fits(MethodInfo method, bool takesEvent)
        {
            ParameterInfo[] parameters = method.GetParameters();
            int wanted = takesEvent ? 2 : 1;
            if (!method.IsPublic || method.ContainsGenericParameters || parameters.Length != wanted)
            {
                return false;
            }
            Type context = parameters[wanted - 1].ParameterType;
            Type input = parameters[0].ParameterType;
            return context.IsInterface && context.Name == "IFunctionContext" && !input.IsByRef && !input.IsPointer;
        }

        /// <summary>Of several methods with one name: that which takes a stream.</summary>
        static int Rank(MethodInfo method)
        {
            return method.GetParameters()[0].ParameterType == typeof(System.IO.Stream) ? 0 : 1;
        }

        static Failure Misfit(Type owner, string name, List<MethodInfo> named, bool takesEvent)
        {
            string what = "handler '" + name + "' of class '" + owner.FullName + "' ";
            if (named.Count == 0)
            {
                return Failure.Config("handler '" + name + "' not found in class '" + owner.FullName + "'");
            }
            MethodInfo method = named[0];
            if (!method.IsPublic)
            {
                return Failure.Config(what + "is not public");
            }
            var has = new StringBuilder();
            foreach (ParameterInfo parameter in method.GetParameters())
            {
                has.Append(has.Length == 0 ? "" : ", ").Append(parameter.ParameterType.Name);
            }
            string wants = takesEvent ? "2 parameters (Stream or another type, IFunctionContext)" : "1 parameter (IFunctionContext)";
            return Failure.Config(what + "expects to have " + wants + ", but received " + method.GetParameters().Length + " (" + has
                + "); it cannot be generic either");
        }
    }

    /// <summary>What comes out of a method, once it has: a task is waited for.</summary>
    static class Awaited
    {
        internal static Func<object, object> By(Type type)
        {
            if (type == typeof(void))
            {
                return _ => null;
            }
            if (type == typeof(ValueTask) || type.IsGenericType && type.GetGenericTypeDefinition() == typeof(ValueTask<>))
            {
                MethodInfo asTask = type.GetMethod("AsTask");
                Func<object, object> wait = By(asTask.ReturnType);
                return value => wait(asTask.Invoke(value, null));
            }
            if (type == typeof(Task))
            {
                return value =>
                {
                    ((Task)value)?.GetAwaiter().GetResult();
                    return null;
                };
            }
            if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Task<>))
            {
                PropertyInfo result = type.GetProperty("Result");
                return value =>
                {
                    ((Task)value)?.GetAwaiter().GetResult();
                    return value == null ? null : result.GetValue(value);
                };
            }
            return value => value;
        }
    }
}
