using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Fungraph
{
    /// <summary>The function after LOAD: its entry points, each ready or with the failure that tells why it is not.</summary>
    sealed class Loaded
    {
        internal readonly Order Order;
        internal readonly Entry Handler;
        internal readonly Entry Initializer;
        internal readonly Failure InitializerMissing;
        internal readonly Entry PreStop;
        internal readonly Failure PreStopMissing;

        readonly Func<string, Assembly> assemblies;
        readonly Dictionary<Type, object> instances = new Dictionary<Type, object>();

        /// <summary>Loads classes, and makes the objects that methods are called on. Throws where the handler cannot be called.</summary>
        internal Loaded(Order order, Func<string, Assembly> assemblies)
        {
            Order = order;
            this.assemblies = assemblies;
            Handler = EntryOf(order.Handler, true);
            Initializer = Hook(order.Initializer, out InitializerMissing);
            InitializerMissing = InitializerMissing?.OfInitializer();
            PreStop = Hook(order.PreStop, out PreStopMissing);
        }

        /// <summary>The three parts of `Assembly::Namespace.Class::Method`.</summary>
        internal static string[] Parts(string name)
        {
            string[] parts = name.Split(new[] { "::" }, StringSplitOptions.None);
            if (parts.Length != 3 || parts[0].Length == 0 || parts[1].Length == 0 || parts[2].Length == 0)
            {
                throw Failure.Config("handler '" + name + "' must have the form Assembly::Namespace.Class::Method");
            }
            if (parts[0].IndexOf('/') >= 0 || parts[0] == "..")
            {
                throw Failure.Config("handler '" + name + "' must name an assembly at the root of the code package, without a path");
            }
            return parts;
        }

        Entry Hook(string name, out Failure missing)
        {
            missing = null;
            if (name == null)
            {
                return null;
            }
            try
            {
                return EntryOf(name, false);
            }
            catch (Failure failure)
            {
                missing = failure;
                return null;
            }
        }

        Entry EntryOf(string name, bool takesEvent)
        {
            string[] parts = Parts(name);
            Assembly assembly = assemblies(parts[0]);
            try
            {
                Type owner = assembly.GetType(parts[1], true);
                Begin(owner);
                return Entry.Of(owner, parts[2], takesEvent, InstanceOf);
            }
            catch (TypeLoadException missing) when (missing.TypeName == parts[1])
            {
                throw Failure.Load("not found class '" + parts[1] + "' in assembly '" + parts[0] + "'", null);
            }
            catch (Exception broken) when (broken is IOException || broken is TypeLoadException || broken is BadImageFormatException)
            {
                throw Failure.Load("class '" + parts[1] + "' cannot be loaded: " + Explained(assembly, broken), null);
            }
        }

        /// <summary>Runs the class's own initialization now: .NET would run it in the first call.</summary>
        static void Begin(Type owner)
        {
            if (owner.ContainsGenericParameters)
            {
                return;
            }
            try
            {
                RuntimeHelpers.RunClassConstructor(owner.TypeHandle);
            }
            catch (TypeInitializationException failed)
            {
                Exception cause = failed.InnerException ?? failed;
                throw Failure.Load("class '" + owner.FullName + "' cannot be initialized: " + Failure.Text(cause), cause);
            }
        }

        /// <summary>The object that methods are called on: one of each class.</summary>
        object InstanceOf(Type owner)
        {
            object made;
            if (instances.TryGetValue(owner, out made))
            {
                return made;
            }
            if (owner.IsAbstract || owner.ContainsGenericParameters)
            {
                throw Failure.Config("class '" + owner.FullName + "' cannot be instantiated: it is abstract or generic");
            }
            try
            {
                made = Activator.CreateInstance(owner, BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance
                    | BindingFlags.DoNotWrapExceptions, null, null, null);
            }
            catch (MissingMethodException)
            {
                throw Failure.Config("class '" + owner.FullName + "' has no constructor without parameters");
            }
            catch (Exception error)
            {
                throw Failure.Load("the constructor of class '" + owner.FullName + "' failed: " + Failure.Text(error), error);
            }
            instances[owner] = made;
            return made;
        }

        /// <summary>What is missing. A function that was built for a later .NET lacks parts of that .NET, and should be told so.</summary>
        static string Explained(Assembly assembly, Exception broken)
        {
            foreach (AssemblyName name in assembly.GetReferencedAssemblies())
            {
                if (name.Name == "System.Runtime" && name.Version > Assembly.Load("System.Runtime").GetName().Version)
                {
                    return "it was built for .NET " + name.Version.ToString(2) + ", and .NET " + Environment.Version.ToString(2)
                        + " runs it: build for that (TargetFramework), or install the later SDK on the host";
                }
            }
            return broken.Message;
        }
    }
}
